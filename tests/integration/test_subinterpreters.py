"""Interpreters besides the main one: the guard is the same for all, and so are the modes."""

from pathlib import Path

import pytest
from processes import Finished, clean_environment, run_python

# What CPython calls them: "isolated" has a GIL of its own in a build with GILs, "legacy" shares it.
KINDS = ["isolated", "legacy"]

RUN = """
import _interpreters, sys
kind, code = sys.argv[1:]
interpreter = _interpreters.create(kind)
failure = _interpreters.exec(interpreter, code)
_interpreters.destroy(interpreter)
print("failure:", failure.formatted if failure else None, sys._is_gil_enabled())
"""


def run_inside(extensions: Path, kind: str, code: str, *options: str, **settings: str) -> Finished:
    """Run *code* in a new interpreter of that kind, which has to end well."""
    environment = clean_environment(PYTHONPATH=extensions, **settings)
    done = run_python(*options, "-c", RUN, kind, code, env=environment)
    assert done.lines()[-1] == "failure: None False", done.stdout + done.stderr
    return done


COUNT = """
import _interpreters, sys, threading
import every_interpreter as module
def inside(kind):
    interpreter = _interpreters.create(kind)
    failures.append(_interpreters.exec(interpreter, sys.argv[1]))
    _interpreters.destroy(interpreter)
def outside():
    for _ in range(30_000):
        module.increment()
failures = []
threads = [threading.Thread(target=inside, args=(kind,)) for kind in ("isolated", "legacy")]
threads += [threading.Thread(target=outside) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failures, module.count(), module.overlaps(), sys._is_gil_enabled())
"""
COUNT_INSIDE = """
import sys, every_interpreter
for _ in range(30_000):
    every_interpreter.increment()
assert not sys._is_gil_enabled()
"""
ALL_COUNTED = ["[None, None] 120000 0 False"]


def test_one_guard_for_all_interpreters(extensions: Path) -> None:
    done = run_python("-c", COUNT, COUNT_INSIDE, env=clean_environment(PYTHONPATH=extensions))
    assert done.lines() == ALL_COUNTED


def test_one_guard_for_all_interpreters_control(extensions: Path) -> None:
    settings = {"PYTHON_GIL": "0", "PYTHONNOGIL_MODE": "off"}
    environment = clean_environment(PYTHONPATH=extensions, **settings)
    for _ in range(10):
        if run_python("-c", COUNT, COUNT_INSIDE, env=environment).lines() != ALL_COUNTED:
            return
    raise AssertionError("no update was lost in 10 runs without the guard")


IMPORT = """
import sys, pythonnogil
name = "every_interpreter"
try:
    __import__(name)
    print("imported", pythonnogil.mode())
except Exception as error:
    print(type(error).__name__, str(error).partition(" (")[0], error.__context__)
print(name in sys.modules, sys._is_gil_enabled(), flush=True)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_default_mode(extensions: Path, kind: str) -> None:
    done = run_inside(extensions, kind, IMPORT)
    assert done.lines()[:-1] == ["imported gil", "True False"]
    assert done.stderr == ""


@pytest.mark.parametrize("kind", KINDS)
def test_unsafe_mode_warns(extensions: Path, kind: str) -> None:
    done = run_inside(extensions, kind, IMPORT, PYTHONNOGIL_MODE="unsafe-nogil")
    assert done.lines()[:-1] == ["imported unsafe-nogil", "True False"]
    text = "UnsafeExtensionWarning: unsafe import of 'every_interpreter'"
    assert done.stderr.count(text) == 1, done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("mode", "category", "text"),
    [
        ("gil", "ImportWarning", "GuardedExtensionWarning guarded"),
        ("unsafe-nogil", "RuntimeWarning", "UnsafeExtensionWarning unsafe"),
    ],
)
def test_warning_as_an_error(
    extensions: Path, kind: str, mode: str, category: str, text: str
) -> None:
    options = ("-W", f"error::{category}")
    done = run_inside(extensions, kind, IMPORT * 2, *options, PYTHONNOGIL_MODE=mode)
    expected = [f"{text} import of 'every_interpreter' None", "False False"]
    assert done.lines()[:-1] == expected * 2


@pytest.mark.parametrize("kind", KINDS)
def test_strict_mode_refuses(extensions: Path, kind: str) -> None:
    done = run_inside(extensions, kind, IMPORT * 2, PYTHONNOGIL_MODE="strict-nogil")
    expected = ["ImportError strict-nogil refuses 'every_interpreter' None", "False False"]
    assert done.lines()[:-1] == expected * 2


SINGLE_PHASE = IMPORT.replace("every_interpreter", "static_counter")


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("gil", "module static_counter does not support loading in subinterpreters"),
        ("unsafe-nogil", "module static_counter does not support loading in subinterpreters"),
        ("strict-nogil", "strict-nogil refuses 'static_counter'"),
    ],
)
def test_what_cpython_refuses_stays_refused(extensions: Path, mode: str, text: str) -> None:
    done = run_inside(extensions, "isolated", SINGLE_PHASE, PYTHONNOGIL_MODE=mode)
    assert done.lines()[:-1] == [f"ImportError {text} None", "False False"]


HOLD_BACK = """
import threading
import every_interpreter as module
def make():
    class Thing(module.Thing):
        pass
    things.extend(Thing() for _ in range(700))
things = []
thread = threading.Thread(target=make)
thread.start()
thread.join()
things.clear()
"""


def test_objects_end_with_their_interpreter(extensions: Path) -> None:
    """Their memory is given back with delay, and not by another interpreter."""
    code = f"""
import _interpreters, sys
import every_interpreter as module
for kind in ["isolated", "legacy"] * 3:
    interpreter = _interpreters.create(kind)
    failure = _interpreters.exec(interpreter, {HOLD_BACK!r})
    assert failure is None, failure.formatted
    _interpreters.destroy(interpreter)
    module.increment()
print(module.count(), sys._is_gil_enabled())
"""
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=extensions))
    assert done.lines() == [f"{6 * 701} False"]
