"""An exception is sent to a thread that waits for the guard behind a long holder:
signal|handler|asynchronous."""

import ctypes
import os
import signal
import sys
import threading
import time

import stage

SECONDS = 1.0
CALLS = 1000
module = stage.load("ends_abruptly")
handled: list[int] = []


class Sent(Exception):
    """What is sent to a thread from outside."""


def wait_behind_holder() -> tuple[str, float]:
    """Wait for the guard; which exception came of it, and how long it took."""
    start = time.monotonic()
    name = ""
    try:
        module.increment()
        # Whatever was sent is raised here at the latest.
        for _ in range(CALLS):
            pass
    except (KeyboardInterrupt, Sent) as error:
        name = type(error).__name__
    return name, time.monotonic() - start


def hold() -> None:
    inside.set()
    module.stay(SECONDS)


def interrupt_main() -> None:
    time.sleep(SECONDS / 3)
    os.kill(os.getpid(), signal.SIGINT)


def handle(number: int, frame: object) -> None:
    module.increment()
    handled.append(number)


inside = threading.Event()
holder = threading.Thread(target=hold)
holder.start()
inside.wait()
time.sleep(SECONDS / 10)
if sys.argv[1] == "asynchronous":
    outcome: list[tuple[str, float]] = []
    waiter = threading.Thread(target=lambda: outcome.append(wait_behind_holder()))
    waiter.start()
    time.sleep(SECONDS / 3)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(waiter.ident), ctypes.py_object(Sent)
    )
    waiter.join()
    name, waited = outcome[0]
    expected = "Sent"
else:
    if sys.argv[1] == "handler":
        signal.signal(signal.SIGINT, handle)
    threading.Thread(target=interrupt_main).start()
    name, waited = wait_behind_holder()
    expected = "" if handled else "KeyboardInterrupt"
holder.join()
counted = 2 + len(handled)
stage.together(*[lambda: stage.repeat(module.increment, CALLS)] * stage.THREADS)
lost = abs(counted + stage.THREADS * CALLS - module.count())
stage.report(
    lost + module.overlaps() + (name != expected),
    name=name,
    handled=len(handled),
    waited=waited > SECONDS / 2,
)
