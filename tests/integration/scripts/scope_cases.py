"""One scope at a time, in situations of its own: CASE."""

import gc
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import stage

SECONDS = 0.3
LEASE = 10.0
MAIN = threading.get_ident()

scoped = importlib.import_module("scoped_a")


def upgrade() -> int:
    """Readers call Python that calls a writer, two at once."""
    span = stage.Span(SECONDS)

    def work(kind: int) -> None:
        calls = 0
        while span or calls < 3:
            scoped.read_and_call(lambda: scoped.write(kind, 500))
            calls += 1

    stage.together(lambda: work(0), lambda: work(1), lambda: work(2))
    return sum(scoped.overlaps(one, other) for one, other in ((0, 1), (0, 2), (1, 2)))


class Writes:
    """Calls a writer when it dies."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def __del__(self) -> None:
        scoped.write(self.kind, 500)


def upgrade_in_a_finalizer() -> int:
    """The same where no call into CPython gives the readers' hold up before."""
    span = stage.Span(SECONDS)

    def work(kind: int) -> None:
        calls = 0
        while span or calls < 3:
            scoped.read_and_drop([Writes(kind)])
            calls += 1

    stage.together(lambda: work(0), lambda: work(1), lambda: work(2))
    return sum(scoped.overlaps(one, other) for one, other in ((0, 1), (0, 2), (1, 2)))


class Reads:
    def __del__(self) -> None:
        scoped.read(0, 500)


def nested_reads() -> int:
    """A reader in a reader while a writer waits."""
    span = stage.Span(SECONDS)

    def nest() -> None:
        calls = 0
        while span or calls < 3:
            scoped.read_and_call(lambda: scoped.read_and_call(lambda: scoped.read(0, 500)))
            scoped.read_and_drop([Reads()])
            calls += 1

    def write() -> None:
        calls = 0
        while span or calls < 3:
            scoped.write(1, 500)
            calls += 1

    stage.together(nest, nest, write)
    return scoped.overlaps(0, 1)


def stream_of_readers() -> int:
    """A writer gets in although there is a reader inside at any time."""
    over = threading.Event()
    waits = []

    def read() -> None:
        while not over.is_set():
            scoped.read(0, 2000)

    def write() -> None:
        try:
            for _ in range(20):
                start = time.monotonic()
                scoped.write(1, 0)
                waits.append(time.monotonic() - start)
        finally:
            over.set()

    stage.together(read, read, read, write)
    return (max(waits) > 5) + scoped.overlaps(0, 1) + (scoped.overlaps(0, 0) == 0)


def collector() -> int:
    """The world is stopped again and again while readers and writers run."""
    span = stage.Span(SECONDS)

    def loop(call: Callable[[], object]) -> None:
        calls = 0
        while span or calls < 3:
            call()
            calls += 1

    stage.together(
        lambda: loop(gc.collect),
        lambda: loop(lambda: scoped.read(0, 300)),
        lambda: loop(lambda: scoped.read_detached(2, 300)),
        lambda: loop(lambda: scoped.write(1, 300)),
    )
    return scoped.overlaps(0, 1) + scoped.overlaps(1, 2) + scoped.overlaps(2, 2)


def forks() -> int:
    """The child of a fork has neither the readers nor the writer of its parent."""
    over = threading.Event()
    wrong = 0

    def read() -> None:
        while not over.is_set():
            scoped.read(0, 1000)

    def write() -> None:
        while not over.is_set():
            scoped.write(1, 1000)

    threads = [threading.Thread(target=work) for work in (read, read, write)]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    for _ in range(5):
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            scoped.write(1, 0)
            scoped.read(0, 0)
            os._exit(0)
        wrong += os.waitpid(child, 0)[1] != 0
    over.set()
    for thread in threads:
        thread.join()
    return wrong


def pure_python() -> int:
    """Whether pure Python runs while a legacy call does. The list is no argument of the call."""
    items: list[int] = []
    over = threading.Event()

    def count() -> None:
        while not over.is_set():
            items.append(1)
            time.sleep(0.0005)

    def call() -> int:
        try:
            return sum(scoped.watch_global() for _ in range(5))
        finally:
            over.set()

    scoped.keep_global(items)
    moved = stage.together(call, count)[0]
    return (moved > 0) != (sys.argv[2] == "runs")


def main_thread() -> int:
    """Calls of workers run on the main thread, which joins them, and so do deallocations."""
    wrong = 0

    def work() -> None:
        nonlocal wrong
        for _ in range(10):
            wrong += scoped.thread() != MAIN
            try:
                scoped.fail()
                wrong += 1
            except ValueError as error:
                wrong += str(error) != "on purpose"
            thing = scoped.Thing()
            del thing
            sub = Sub()
            del sub

    class Sub(scoped.Thing):
        pass

    worker = threading.Thread(target=work)
    worker.start()
    if sys.argv[2] == "joins":
        worker.join()
    else:
        while worker.is_alive():
            time.sleep(0.2)
    for _ in range(100):
        if scoped.graveyard()[1] == 20:
            break
        time.sleep(0.01)
    return wrong + (scoped.graveyard() != (MAIN, 20))


def arguments() -> int:
    """A list that the call is given grows meanwhile, or not."""
    items: list[int] = []
    over = threading.Event()

    def grow() -> None:
        while not over.is_set():
            items.append(1)
            time.sleep(0.001)

    def call() -> int:
        try:
            return sum(scoped.watch_list(items) for _ in range(5))
        finally:
            over.set()

    grown = stage.together(call, grow)[0]
    return (grown > 0) != (sys.argv[2] == "grows")


wrong = globals()[sys.argv[1]]()
limit = stage.Span(LEASE)
while sys._is_gil_enabled() and limit:
    time.sleep(0.01)
stage.report(int(wrong))
