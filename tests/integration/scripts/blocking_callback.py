"""Blocks in a callback on a lock that another thread holds while it waits to enter."""

import threading

import stage

TIMES = 10_000
module = stage.load("blocking_callback")
lock = threading.Lock()


def callback() -> None:
    with lock:
        pass


def call_back() -> None:
    for _ in range(TIMES):
        module.call(callback)


def enter_with_the_lock_held() -> None:
    for _ in range(TIMES):
        with lock:
            module.touch()
            module.touch()


stage.together(call_back, call_back, enter_with_the_lock_held, enter_with_the_lock_held)
expected = 4 * 2 * TIMES
stage.report(abs(expected - module.count()) + module.overlaps(), count=module.count())
