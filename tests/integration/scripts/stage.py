"""What the child scripts share: a time limit, the fixture extensions, threads and the report.

Each script runs in a process of its own, once guarded and once as the control, so that a crash, a
hang or a GIL that came on is its own. It ends by `report`, which prints one line of JSON; the
number `wrong` in it is zero when all went well. Anything else, an exception too, ends it otherwise.
"""

import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType

LIMIT = float(os.environ.get("PYTHONNOGIL_TEST_LIMIT", "60"))

faulthandler.enable()
faulthandler.dump_traceback_later(LIMIT, exit=True)
# In a process that is broken enough the dump gets stuck too; then the kernel ends it.
signal.alarm(int(LIMIT) + 10)

FIXTURES = os.environ["PYTHONNOGIL_FIXTURES"]
THREADS = 4

sys.path.insert(0, FIXTURES)


def check_gil() -> None:
    """Fail when the GIL is on."""
    if sys._is_gil_enabled():
        raise AssertionError("the GIL came on")


def load(*names: str) -> ModuleType:
    """Import these modules, the GIL being off after each; returns the last one."""
    for name in names:
        module = importlib.import_module(name)
        check_gil()
    return module


def together(*functions: Callable[[], object]) -> list[object]:
    """Run each function in a thread of its own, all from one moment on; what they returned.

    The first failure of any is raised here once all have ended.
    """
    barrier = threading.Barrier(len(functions))
    results: list[object] = [None] * len(functions)
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            barrier.wait()
            results[index] = functions[index]()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def repeat(function: Callable[[], object], times: int) -> None:
    """Call *function* that often."""
    for _ in range(times):
        function()


class Span:
    """A span of time, for loops that end together: ``while span: ...``."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def __bool__(self) -> bool:
        return time.monotonic() < self._end


def report(wrong: int, **details: object) -> None:
    """End the script's work: say what came out, the GIL still being off."""
    check_gil()
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"wrong": wrong, **details}))


def holder_and_waiter(
    module: ModuleType, enter: Callable[[], object], seconds: float
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Two functions for two threads: one holds the guard in `module.call` for that long after the
    other was about to call *enter*."""
    inside = threading.Event()
    entering: list[bool] = []

    def callback() -> None:
        inside.set()
        while not entering:
            pass
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    def wait() -> None:
        inside.wait()
        entering.append(True)
        enter()

    return lambda: module.call(callback), wait
