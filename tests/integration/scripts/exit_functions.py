"""Ends with functions of legacy code to be called at exit, and daemon threads in legacy code.

The legacy code itself prints the report, as the very last thing.
"""

import sys
import threading
import time

import stage

module = stage.load("callbacks")
module.add_audit_hook()


def go_on() -> None:
    while True:
        sys.audit("fixture.watched")


for _ in range(stage.THREADS):
    threading.Thread(target=go_on, daemon=True).start()
time.sleep(0.2)
module.call_at_exit()
stage.check_gil()
stage.faulthandler.cancel_dump_traceback_later()
