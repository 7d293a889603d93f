"""A guarded module looks and behaves like a plain one: every name, type, text, pickle and spec,
every traceback, reference count and end of an object is the same."""

from pathlib import Path
from typing import Any

import pytest
from children import Stage

MODULES = [
    "static_counter",
    "undeclared_multi",
    "explicit_used",
    "shared_cache",
    "types_zoo",
    "inherited",
    "vectorcall_instance",
    "const_tables",
    "private_library",
    "imports_other_a",
    "cpp_exceptions",
    "cython_fixture",
    "pybind_fixture",
]


def differences(left: Any, right: Any, where: str = "module") -> list[str]:
    """Where two descriptions differ, one line for each place."""
    if isinstance(left, dict) and isinstance(right, dict):
        lines = [f"{where}: only one has {key}" for key in left.keys() ^ right.keys()]
        for key in left.keys() & right.keys():
            lines += differences(left[key], right[key], f"{where}.{key}")
        return lines
    return [] if left == right else [f"{where}: {left!r} != {right!r}"]


@pytest.mark.parametrize("module", MODULES)
def test_identity(extensions: Path, guarded: Stage, unguarded: Stage, module: str) -> None:
    if not list(extensions.glob(f"{module}.*")):
        pytest.skip(f"{module} was not built: its generator is not installed")
    with_guard = guarded.check("identity.py", module)["description"]
    without_guard = unguarded.check("identity.py", module)["description"]
    assert len(with_guard["contents"]) > 0
    assert differences(with_guard, without_guard) == []


def test_behaviour(guarded: Stage, unguarded: Stage) -> None:
    with_guard = guarded.check("behaviour.py")["description"]
    without_guard = unguarded.check("behaviour.py")["description"]
    assert all(with_guard["imports"].values()) and all(with_guard["failures"].values())
    assert differences(with_guard, without_guard) == []


def test_variadic_calls(guarded: Stage, unguarded: Stage) -> None:
    """We collect their arguments ourselves; what they do, and their errors, are CPython's."""
    with_guard = guarded.check("variadic_calls.py")["description"]
    without_guard = unguarded.check("variadic_calls.py")["description"]
    assert len(with_guard) > 20
    assert differences(with_guard, without_guard) == []


def test_what_code_sees_is_as_in_cpython(guarded: Stage) -> None:
    guarded.check("as_cpython.py")
