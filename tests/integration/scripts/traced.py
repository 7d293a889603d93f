"""Calls whose waits and holds are known, for the trace: CASE. The trace was asked for at start-up."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pythonnogil._core
import stage

module = stage.load("timed_holds")
HOLD = 0.05


def holds() -> None:
    stage.repeat(lambda: module.spin(2000), 3)
    module.Thing().spin(1000)


def cython() -> None:
    """A module whose types are made when it is executed, after its file was loaded."""
    animal = stage.load("cython_fixture").Animal(3)
    stage.repeat(lambda: animal.method(5), 2)


def nested() -> None:
    module.call(lambda: module.spin(5000))
    module.call(lambda: module.sleep_detached(20_000))


def waits() -> None:
    hold, wait = stage.holder_and_waiter(module, module.nothing, HOLD)
    holder = threading.Thread(target=hold, name="the holder")
    waiter = threading.Thread(target=wait, name='the "waiter"')
    holder.start()
    waiter.start()
    holder.join()
    waiter.join()


def many() -> None:
    stage.together(*[lambda: stage.repeat(module.nothing, 5000)] * 3)


def lease() -> None:
    module.spin(2000)
    while sys._is_gil_enabled():
        time.sleep(0.01)


def fork() -> None:
    module.nothing()
    child = os.fork()
    if child == 0:
        module.spin(1000)
        # As at the end of the interpreter.
        pythonnogil._core.stop_trace()
        os._exit(0)
    os.waitpid(child, 0)


def multiprocessing_fork() -> None:
    module.nothing()
    child = multiprocessing.get_context("fork").Process(target=module.spin, args=(1000,))
    child.start()
    child.join()


def spawn() -> None:
    module.nothing()
    code = "import sys, os; sys.path.insert(0, os.environ['PYTHONNOGIL_FIXTURES'])"
    subprocess.run([sys.executable, "-c", f"{code}; import timed_holds; timed_holds.spin(9)"])


def crash() -> None:
    stage.repeat(module.nothing, 5000)
    os.kill(os.getpid(), signal.SIGKILL)


def daemons() -> None:
    for _ in range(3):
        threading.Thread(
            target=lambda: stage.repeat(module.nothing, 100_000_000), daemon=True
        ).start()
    time.sleep(0.2)


globals()[sys.argv[1]]()
stage.report(0, pid=os.getpid())
