"""Calls whose counts and times are known, for what stats() says of them: CASE."""

import os
import sys
import threading
import time
from types import ModuleType

import pythonnogil
import stage

HOLD = 0.05


def recorded() -> ModuleType:
    """The fixture, with recording on."""
    pythonnogil.start_recording()
    return stage.load("timed_holds")


def off() -> None:
    stage.load("timed_holds").spin(50)


def holds() -> None:
    module = recorded()
    stage.repeat(lambda: module.spin(50), 200)
    stage.repeat(module.nothing, 600)
    stage.repeat(lambda: module.Thing().spin(500), 20)


def names() -> None:
    module = recorded()
    stage.repeat(module.nothing, 5)
    stage.repeat(module.nothing_too, 7)


def cython() -> None:
    pythonnogil.start_recording()
    module = stage.load("cython_fixture")
    stage.repeat(module.increment, 5)
    stage.repeat(lambda: module.make_closure(1)(2), 3)
    animal = module.Animal(3)
    stage.repeat(lambda: animal.method(5), 2)
    stage.repeat(lambda: animal + 1, 4)


def started_late() -> None:
    module = stage.load("timed_holds")
    stage.repeat(module.nothing, 100)
    pythonnogil.start_recording()
    stage.repeat(module.nothing, 7)


def stopped() -> None:
    module = recorded()
    stage.repeat(module.nothing, 7)
    pythonnogil.stop_recording()
    stage.repeat(module.nothing, 100)
    stage.load("static_counter").increment()


def waits() -> None:
    module = recorded()
    stage.repeat(module.nothing, 9)
    stage.together(*stage.holder_and_waiter(module, module.nothing, HOLD))


def detached() -> None:
    module = recorded()
    module.sleep_detached(50_000)
    module.call(lambda: module.sleep_detached(50_000))


def python_inside() -> None:
    module = recorded()
    module.call(lambda: module.spin(50_000))


def wait_inside() -> None:
    """A thread that comes back from a detachment waits for one that came in meanwhile."""
    module = recorded()
    sleeping = threading.Event()

    def sleep() -> None:
        sleeping.set()
        module.sleep_detached(100_000)

    def come_in() -> None:
        sleeping.wait()
        module.spin(300_000)

    stage.together(sleep, come_in)


def raising() -> None:
    module = recorded()
    for _ in range(5):
        try:
            module.spin("no number")
        except TypeError:
            pass


def threads() -> None:
    module = recorded()
    taken = []
    for _ in range(3):
        for _ in range(10):
            stage.together(*[lambda: stage.repeat(module.nothing, 10)] * 3)
        taken.append(pythonnogil.stats()["memory"]["recorder_bytes"])
    stage.report(int(taken[1] != taken[2]), taken=taken, stats=pythonnogil.stats())
    sys.exit()


def fork() -> None:
    module = recorded()
    stage.repeat(module.nothing, 10)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = sum(module["calls"] for module in pythonnogil.stats()["modules"])
        stage.repeat(module.nothing, 3)
        after = sum(module["calls"] for module in pythonnogil.stats()["modules"])
        os.write(writing, f"{before} {after}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    stage.report(0, child=os.read(reading, 100).decode(), stats=pythonnogil.stats())
    sys.exit()


def other_thread() -> None:
    """Calls from another thread while the main thread computes, for scope main-thread."""
    module = recorded()
    called = threading.Thread(target=lambda: stage.repeat(lambda: module.spin(1000), 5))
    called.start()
    called.join()
    # A lease on the GIL, in scope interpreter, ends a moment after the last call.
    deadline = time.monotonic() + 5
    while sys._is_gil_enabled() and time.monotonic() < deadline:
        time.sleep(0.001)


def daemons() -> None:
    """Threads are inside, and counting, while the process ends."""
    module = recorded()
    for _ in range(3):
        threading.Thread(
            target=lambda: stage.repeat(module.Thing, 100_000_000), daemon=True
        ).start()
    time.sleep(0.2)


globals()[sys.argv[1]]()
stage.report(0, stats=pythonnogil.stats())
