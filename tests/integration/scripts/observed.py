"""Counts under an observer: HOW. What it saw of the calls is reported."""

import contextlib
import faulthandler
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator

import stage

# A dump each millisecond has to meet some of them.
CALLS = 40_000 if sys.argv[1] == "faulthandler" else 2000
module = stage.load("ends_abruptly")
seen: list[list[str]] = []


def step() -> None:
    module.call(module.increment)


def note(event: str, what: object) -> None:
    name = getattr(what, "__name__", "")
    if name in ("step", "call", "increment"):
        seen.append([event, name])


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    def trace(frame: object, event: str, argument: object) -> object:
        note(event, step if frame.f_code is step.__code__ else None)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    yield
    sys.settrace(None)
    threading.settrace(None)


@contextlib.contextmanager
def profiling() -> Iterator[None]:
    def profile(frame: object, event: str, argument: object) -> None:
        note(event, argument)

    threading.setprofile(profile)
    sys.setprofile(profile)
    yield
    sys.setprofile(None)
    threading.setprofile(None)


@contextlib.contextmanager
def monitoring() -> Iterator[None]:
    tool, events = sys.monitoring.PROFILER_ID, sys.monitoring.events
    sys.monitoring.use_tool_id(tool, "test")

    def noting(name: str) -> object:
        return lambda code, offset, function, argument: note(name, function)

    for name in ("CALL", "C_RETURN", "C_RAISE"):
        sys.monitoring.register_callback(tool, getattr(events, name), noting(name))
    sys.monitoring.set_events(tool, events.CALL)
    yield
    sys.monitoring.set_events(tool, 0)
    sys.monitoring.free_tool_id(tool)


@contextlib.contextmanager
def tracing_memory() -> Iterator[None]:
    tracemalloc.start(8)
    yield
    traced = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__)])
    note("memory", step if traced.traces else None)
    tracemalloc.stop()


@contextlib.contextmanager
def dumping() -> Iterator[None]:
    """Stacks are written while threads wait for the guard and while they are inside."""

    def dump() -> None:
        with tempfile.TemporaryFile("w+") as file:
            while not end.is_set():
                faulthandler.dump_traceback(file)
                time.sleep(0.001)
            file.seek(0)
            note("dumped", step if " in step" in file.read() else None)

    end = threading.Event()
    dumper = threading.Thread(target=dump)
    dumper.start()
    yield
    end.set()
    dumper.join()


observers = {
    "settrace": tracing,
    "setprofile": profiling,
    "monitoring": monitoring,
    "tracemalloc": tracing_memory,
    "faulthandler": dumping,
}
with observers[sys.argv[1]]():
    step()
alone = list(seen)
module.reset()
with observers[sys.argv[1]]():
    stage.together(*[lambda: stage.repeat(step, CALLS)] * stage.THREADS)
expected = 3 * CALLS * stage.THREADS
stage.report(abs(expected - module.count()) + module.overlaps(), alone=alone, seen=len(seen))
