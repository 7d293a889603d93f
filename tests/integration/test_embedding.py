"""A program that embeds the interpreter, ends it and starts it again: each life is like the
first."""

import sys
from pathlib import Path

import pytest
from processes import Finished, clean_environment, run_python

LIVES = 3

COUNT = """
import sys, threading, pythonnogil
print(pythonnogil.mode(), [module["name"] for module in pythonnogil.modules()])
import static_counter, undeclared_multi
static_counter.reset()
undeclared_multi.reset()
def count():
    for _ in range(10_000):
        static_counter.increment()
        undeclared_multi.increment()
threads = [threading.Thread(target=count) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(static_counter.count(), undeclared_multi.count(), sys._is_gil_enabled())
entries = {module["name"]: module["entries"] for module in pythonnogil.modules()}
print(entries["static_counter"] > 5, entries["undeclared_multi"] > 3, flush=True)
"""


@pytest.fixture
def embedder(extensions: Path) -> Path:
    program = extensions / "embedder"
    if not program.exists():
        pytest.skip("embedder was not built: the interpreter has no library to link with")
    return program


def live(embedder: Path, code: str, **settings: str) -> Finished:
    """Run *code* in each of several lives of the interpreter within one process."""
    environment = clean_environment(PYTHONPATH=embedder.parent, **settings)
    return run_python(
        sys.executable, str(LIVES), code, env=environment, program=embedder, timeout=90
    )


def test_each_life_is_guarded(embedder: Path) -> None:
    expected = ["gil []", "40000 40000 False", "True True"]
    assert live(embedder, COUNT).lines() == expected * LIVES


def test_each_life_is_guarded_control(embedder: Path) -> None:
    """Without the guard updates are lost."""
    settings = {"PYTHON_GIL": "0", "PYTHONNOGIL_MODE": "off"}
    code = COUNT.partition("entries =")[0]
    for _ in range(10):
        if live(embedder, code, **settings).stdout.split().count("40000") < 2 * LIVES:
            return
    raise AssertionError("no update was lost in 10 runs without the guard")


ANNOUNCE = """
import sys, warnings
warnings.simplefilter("always")
try:
    import undeclared_multi
except ImportError as error:
    print("refused", "undeclared_multi" in sys.modules)
print(sys._is_gil_enabled(), flush=True)
"""


@pytest.mark.parametrize("mode", ["gil", "unsafe-nogil"])
def test_each_life_announces_its_modules(embedder: Path, mode: str) -> None:
    done = live(embedder, ANNOUNCE, PYTHONNOGIL_MODE=mode)
    assert done.lines() == ["False"] * LIVES
    assert done.stderr.count(" import of 'undeclared_multi'") == LIVES, done.stderr


def test_each_life_refuses_in_strict_mode(embedder: Path) -> None:
    done = live(embedder, ANNOUNCE, PYTHONNOGIL_MODE="strict-nogil")
    assert done.lines() == ["refused False", "False"] * LIVES


HOLD_BACK = """
import sys, threading
import every_interpreter as module
# Made in one thread, dropped in another: the memory of such objects is given back with delay.
def make():
    class Thing(module.Thing):
        pass
    things.extend(Thing() for _ in range(700))
things = []
thread = threading.Thread(target=make)
thread.start()
thread.join()
things.clear()
module.increment()
print(module.count() % 701, sys._is_gil_enabled(), flush=True)
"""


def test_a_life_leaves_no_objects_to_the_next(embedder: Path) -> None:
    assert live(embedder, HOLD_BACK).lines() == ["0 False"] * LIVES


DEFERRED = """
import atexit, static_counter, undeclared_multi, sys
atexit.register(lambda: print("at exit:", static_counter.increment(), sys._is_gil_enabled()))
class Late:
    def __del__(self, call=undeclared_multi.increment):
        call()
late = Late()
late.itself = late
"""


def test_legacy_code_runs_while_a_life_ends(embedder: Path) -> None:
    done = live(embedder, DEFERRED)
    assert done.lines() == ["at exit: None False"] * LIVES
    # CPython 3.15 looks for its own files anew in each life, and complains when it is started by
    # another program of a virtual environment.
    assert [line for line in done.stderr.splitlines() if "sys.exec_prefix" not in line] == []
