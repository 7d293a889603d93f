"""Types of legacy modules: every slot, inheritance, calls through instances, dying objects."""

from pathlib import Path

import pytest
from children import Stage

BASES = ["StaticBase", "StaticChild", "HeapBase"]
CALLERS = ["StaticCaller", "HeapCaller"]
GENERATED = ["cython_fixture", "pybind_fixture"]


@pytest.mark.parametrize("kind", ["Static", "Heap"])
def test_every_slot(guarded: Stage, kind: str) -> None:
    report = guarded.check("types_zoo.py", kind)
    assert report["never_visited"] == []
    assert report["slots"] > 70


@pytest.mark.parametrize("kind", ["Static", "Heap"])
def test_every_slot_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("types_zoo.py", kind)


@pytest.mark.parametrize("base", BASES)
def test_python_subclass_and_inherited_slots(guarded: Stage, base: str) -> None:
    guarded.check("inherited.py", base)


@pytest.mark.parametrize("base", BASES)
def test_python_subclass_and_inherited_slots_control(unguarded: Stage, base: str) -> None:
    unguarded.assert_hazard("inherited.py", base)


@pytest.mark.parametrize("caller", CALLERS)
def test_vectorcall_in_the_instance(guarded: Stage, caller: str) -> None:
    guarded.check("vectorcall_instance.py", caller)


@pytest.mark.parametrize("caller", CALLERS)
def test_vectorcall_in_the_instance_control(unguarded: Stage, caller: str) -> None:
    unguarded.assert_hazard("vectorcall_instance.py", caller)


@pytest.mark.parametrize("kind", ["plain", "subclassed"])
def test_dying_object_in_a_cache_of_raw_pointers(guarded: Stage, kind: str) -> None:
    report = guarded.check("raw_cache.py", kind)
    assert report["found"] > 1000


@pytest.mark.parametrize("kind", ["plain", "subclassed"])
def test_dying_object_in_a_cache_of_raw_pointers_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("raw_cache.py", kind)


def need(extensions: Path, module: str) -> None:
    """Skip where the generator of *module* is not installed."""
    if not list(extensions.glob(f"{module}.*")):
        pytest.skip(f"{module} was not built: its generator is not installed")


@pytest.mark.parametrize("module", GENERATED)
def test_generated_module(extensions: Path, guarded: Stage, module: str) -> None:
    need(extensions, module)
    report = guarded.check(f"{module}.py")
    assert report["one_round"] > 10


@pytest.mark.parametrize("module", GENERATED)
def test_generated_module_control(extensions: Path, unguarded: Stage, module: str) -> None:
    need(extensions, module)
    unguarded.assert_hazard(f"{module}.py")
