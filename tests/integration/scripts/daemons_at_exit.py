"""Ends while daemon threads are inside the guard, or wait for it: the process has to end all the same."""

import threading
import time

import stage

module = stage.load("static_counter")


def keep_calling() -> None:
    while True:
        module.increment()


for _ in range(stage.THREADS):
    threading.Thread(target=keep_calling, daemon=True).start()
time.sleep(0.2)
stage.report(0, count=module.count())
