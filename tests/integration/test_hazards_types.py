"""Types of legacy modules: every slot, inheritance, calls through instances, dying objects."""

import dataclasses
import sys
from pathlib import Path

import pytest
from children import Stage

BASES = ["StaticBase", "StaticChild", "HeapBase"]
CALLERS = ["StaticCaller", "HeapCaller"]
# Types that get their tp_vectorcall when they are finished: in the init function, in a function.
MADE = {"at import": "late_vectorcall.Type", "later": "late_vectorcall.make_type()"}
# Types that CPython readies by itself, and how to reach their code.
LATE = {
    "added method": "late_types.Added().bump",
    "added slot": "late_types.Added().__repr__",
    "added number": "(lambda number: lambda: -number)(late_types.Added())",
    "base method": "late_types.Base().bump",
    "base slot": "(lambda base: lambda: repr(base))(late_types.Base())",
    "base number": "(lambda number: lambda: -number)(late_types.Base())",
    "child method": "late_types.Child().bump",
    "child slot": "(lambda child: lambda: repr(child))(late_types.Child())",
    "child number": "(lambda number: lambda: -number)(late_types.Child())",
    "lazy method": "late_types.make_lazy().bump",
    "lazy slot": "(lambda lazy: lambda: repr(lazy))(late_types.make_lazy())",
    "lazy number": "(lambda number: lambda: -number)(late_types.make_lazy())",
    "slotted method": "late_types.make_slotted().bump",
    "slotted slot": "(lambda slotted: lambda: repr(slotted))(late_types.make_slotted())",
    "slotted number": "(lambda number: lambda: -number)(late_types.make_slotted())",
}
# Other ways to make the first instance of such a type.
MAKERS = ["sized", "initialized", "initialized_sized", "collected", "collected_sized", "extended"]
LATE |= {f"{way} method": f"late_types.make_{way}().bump" for way in MAKERS}
LATE |= {
    f"{way} slot": f"(lambda made: lambda: repr(made))(late_types.make_{way}())" for way in MAKERS
}
# Ways in that few types have, and how often a round of each enters.
RARE = {
    "static metaclass": 8,
    "heap metaclass": 8,
    "type vectorcall": 1,
    "late type vectorcall": 1,
    "late slots": 5,
    "old finalizer": 1,
    "class getitem": 1,
    "closures": 10,
    "slot wrappers": 2,
    "Python function": 1,
    "buffer released elsewhere": 2,
    # CPython 3.13 frees no module that was made after the first thread.
    "module state": 2 if sys.version_info < (3, 14) else 3,
}
# Types whose objects die, some by way of a Python subclass, and some in ways of their own.
MORTALS = [
    *["Plain", "OwnFree", "Collected", "Weak", "Heap", "Finalized", "FinalizedPlain"],
    *["Plain empty slots", "Plain slots", "Plain weak slots", "Plain dict", "Plain del"],
    *["Collected empty slots", "Collected slots", "Collected weak slots", "Collected dict"],
    *["Collected del", "OwnFree dict", "Weak slots", "Weak del", "Heap dict", "Heap del"],
    *["Finalized slots", "Finalized dict"],
]
DEATHS = ["Chain", "Chain dict", "Listed", "Phoenix", "Phoenix dict"]
# Types with a finalizer, and how their objects get into the collector's hands.
FOUND = ["Finalized", "Finalized slots", "Finalized dict", "Collected del"]
GARBAGE = ["dropped", "owned", "in a cycle"]
# How members of an object are used, and of which type it is.
MEMBERS = [
    *[("read", kind) for kind in ("Static", "Heap", "Constant", "Slotted", "Lazy", "Child")],
    *[("write", kind) for kind in ("Static", "Heap", "Slotted", "Lazy", "Child")],
    ("number", "Static"),
]
COUNTS = 400_000  # in each thread
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


@pytest.mark.parametrize("entry", LATE)
def test_type_that_cpython_readies(guarded: Stage, entry: str) -> None:
    guarded.check("increments.py", "late_types", LATE[entry], COUNTS)


@pytest.mark.parametrize("entry", LATE)
def test_type_that_cpython_readies_control(unguarded: Stage, entry: str) -> None:
    unguarded.assert_hazard("increments.py", "late_types", LATE[entry], COUNTS)


@pytest.mark.parametrize("kind", RARE)
def test_rare_way_in(guarded: Stage, kind: str) -> None:
    report = guarded.check("rare_types.py", kind)
    assert report["one_round"] == RARE[kind]


@pytest.mark.parametrize("kind", RARE)
def test_rare_way_in_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("rare_types.py", kind)


def test_named_tuples(guarded: Stage) -> None:
    """Their code is CPython's own, so there is nothing to guard: they work, and the GIL is off."""
    guarded.check("rare_types.py", "named tuples")


@pytest.mark.parametrize("caller", CALLERS)
def test_vectorcall_in_the_instance(guarded: Stage, caller: str) -> None:
    guarded.check("vectorcall_instance.py", caller)


@pytest.mark.parametrize("caller", CALLERS)
def test_vectorcall_in_the_instance_control(unguarded: Stage, caller: str) -> None:
    unguarded.assert_hazard("vectorcall_instance.py", caller)


@pytest.mark.parametrize("kind", MADE)
def test_vectorcall_in_the_type(guarded: Stage, kind: str) -> None:
    guarded.check("increments.py", "late_vectorcall", MADE[kind], COUNTS)


@pytest.mark.parametrize("kind", MADE)
def test_vectorcall_in_the_type_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("increments.py", "late_vectorcall", MADE[kind], COUNTS)


@pytest.mark.parametrize("kind", ["plain", "subclassed"])
def test_dying_object_in_a_cache_of_raw_pointers(guarded: Stage, kind: str) -> None:
    report = guarded.check("raw_cache.py", kind)
    # How often a thread comes in between is the machine's affair.
    assert report["found"] > 0


@pytest.mark.parametrize("kind", ["plain", "subclassed"])
def test_dying_object_in_a_cache_of_raw_pointers_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("raw_cache.py", kind)


@pytest.mark.parametrize("kind", MORTALS)
def test_dying_object_of_every_kind_of_type(guarded: Stage, kind: str) -> None:
    """Found by raw pointers and weak references while the collector runs: freed once, none left."""
    report = guarded.check("mortals.py", kind)
    # The collector stops the world all the time, so there may be few.
    assert report["ended"] > 0


@pytest.mark.parametrize("kind", [*MORTALS[:7], "Collected dict"])
def test_dying_object_of_every_kind_of_type_control(unguarded: Stage, kind: str) -> None:
    """The collector goes round for ever in what is left of the objects, hence the short limit."""
    dataclasses.replace(unguarded, limit=4.0).assert_hazard("mortals.py", kind)


@pytest.mark.parametrize("kind", DEATHS)
def test_death_in_a_way_of_its_own(guarded: Stage, kind: str) -> None:
    """Long chains, free lists, and objects that revive themselves: freed once, none left."""
    report = guarded.check("mortals.py", kind)
    # The collector stops the world all the time, so there may be few.
    assert report["ended"] > 0


@pytest.mark.parametrize("kind", DEATHS)
def test_death_in_a_way_of_its_own_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("mortals.py", kind)


@pytest.mark.parametrize("way", GARBAGE)
@pytest.mark.parametrize("kind", FOUND)
def test_found_by_raw_pointer_while_the_collector_has_it(
    guarded: Stage, kind: str, way: str
) -> None:
    """The finalizer waits until the object dies."""
    guarded.check("found_garbage.py", kind, way)


@pytest.mark.parametrize("kind", FOUND)
def test_found_by_raw_pointer_while_the_collector_has_it_control(
    unguarded: Stage, kind: str
) -> None:
    unguarded.assert_hazard("found_garbage.py", kind, "dropped")


@pytest.mark.parametrize(("how", "kind"), MEMBERS)
def test_member_of_an_object_that_is_worked_on(guarded: Stage, how: str, kind: str) -> None:
    """CPython itself reads and writes it."""
    assert guarded.check("members.py", how, kind)["calls"] > 100


@pytest.mark.parametrize(("how", "kind"), MEMBERS)
def test_member_of_an_object_that_is_worked_on_control(
    unguarded: Stage, how: str, kind: str
) -> None:
    unguarded.assert_hazard("members.py", how, kind)


def need(extensions: Path, module: str) -> None:
    """Skip where the generator of *module* is not installed."""
    if not list(extensions.glob(f"{module}.*")):
        pytest.skip(f"{module} was not built: its generator is not installed")


@pytest.mark.parametrize("module", GENERATED)
def test_generated_module(extensions: Path, guarded: Stage, module: str) -> None:
    need(extensions, module)
    report = guarded.check(f"{module}.py")
    assert report["one_round"] > 10


def test_finalizers_of_cython(extensions: Path, guarded: Stage, unguarded: Stage) -> None:
    """Its deallocators call them only if they find themselves in the type."""
    need(extensions, "cython_fixture")
    once = guarded.check("cython_finalizers.py")["once"]
    assert once == unguarded.run("cython_finalizers.py")["once"]
    assert once["Finalized drop"] == once["PlainFinalized drop"] == 2


def test_finalizers_of_cython_control(extensions: Path, unguarded: Stage) -> None:
    need(extensions, "cython_fixture")
    unguarded.assert_hazard("cython_finalizers.py")


@pytest.mark.parametrize("module", GENERATED)
def test_generated_module_control(extensions: Path, unguarded: Stage, module: str) -> None:
    need(extensions, module)
    unguarded.assert_hazard(f"{module}.py")
