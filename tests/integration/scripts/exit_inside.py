"""Ends the process from inside a guarded call while other threads want in: HOW. The exit code is
7 where one is given."""

import os
import sys
import threading
import time

import stage

module = stage.load("ends_abruptly")


def keep_staying() -> None:
    # Longer than a millisecond: then CPython hands the lock over to a thread that waits detached.
    while True:
        module.stay(0.003)


for _ in range(3):
    threading.Thread(target=keep_staying, daemon=True).start()
time.sleep(0.1)
ways = {
    "sys.exit": lambda: module.call(lambda: sys.exit(7)),
    "os._exit": lambda: module.call(lambda: os._exit(7)),
    "Py_Exit": lambda: module.end_process(7),
    "sections in disorder": lambda: module.leave_locked(threading.Lock()),
    "Py_Exit in a callback": lambda: module.call(lambda: module.end_process(7)),
}
ways[sys.argv[1]]()
