"""Threads are ended by unwinding in the middle of a guarded call, detached, as CPython up to
3.13.5 ends them at exit."""

import _thread
import time

import stage

THREADS = 20
CALLS = 1000
module = stage.load("ends_abruptly")


def end() -> None:
    module.call(module.end_thread)


for i in range(THREADS):
    _thread.start_new_thread(end, ())
    while module.count() < 2 * (i + 1):
        time.sleep(0.001)
time.sleep(0.1)  # for the last one to be gone
stage.together(*[lambda: stage.repeat(module.increment, CALLS)] * stage.THREADS)
expected = 2 * THREADS + stage.THREADS * CALLS
stage.report(abs(expected - module.count()) + module.overlaps(), count=module.count())
