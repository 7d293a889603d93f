"""Forks while other threads are inside the guard or wait for it: the child has to get through the guard by itself."""

import os
import signal
import threading

import stage

FORKS = 60
CALLS = 1000
module = stage.load("static_counter")
end = threading.Event()


def keep_calling() -> None:
    while not end.is_set():
        module.increment()


def child() -> None:
    # A child that hangs is ended by the kernel; the watchdog thread of the parent is not in it.
    signal.alarm(10)
    for _ in range(CALLS):
        module.increment()
    os._exit(0)


def fork_often() -> int:
    failed = 0
    for _ in range(FORKS):
        number = os.fork()
        if number == 0:
            child()
        failed += os.waitpid(number, 0)[1] != 0
    end.set()
    return failed


failed = stage.together(fork_often, *[keep_calling] * (stage.THREADS - 1))[0]
stage.report(failed, forks=FORKS)
