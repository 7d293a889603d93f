"""``python -m pythonnogil entries``: the census finds every pointer, and what is guarded."""

import json
import os
import re
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from processes import Finished, clean_environment, run_python

from pythonnogil._registrations import REGISTRATIONS

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

# Modules whose import is meant to fail.
LEFT_OUT = {
    "failing_exec",
    "failing_init",
    "fails_early",
    "libprivate_library_core",
    "libwitness",
    "not_a_module",
    "renamed",
    "unresolved",
}
# Modules that declare that they are safe without the GIL, by the beginnings of their names.
DECLARED = (
    "atomic_ref",
    "declared",
    "empty_call",
    "exported_declared",
    "lease_user",
    "main_thread_user",
    "plain_ref",
    "hold_costs",
    "scoped_declared",
)
# A call of its own plants them: whatever is in a type when the import ends is guarded.
PLANTER = "unguarded_entries"
PLANTS = f"import {PLANTER}; {PLANTER}.plant()"

# API that takes a description with functions in it and hands none of them on.
HARMLESS = {
    "PyMem_GetAllocator",
    "PyObject_GetArenaAllocator",
    "PyState_AddModule",
    "PyState_FindModule",
    "PyState_RemoveModule",
    "PyType_GetModuleByDef",
    # Of the C library, and repeated in CPython's stand-ins for pthread.h.
    "pthread_create",
    "pthread_key_create",
}
DESCRIPTIONS = (
    "PyMethodDef",
    "PyGetSetDef",
    "PyModuleDef",
    "PyModuleDef_Slot",
    "PySlot",
    "PyType_Spec",
    "PyMemAllocatorEx",
    "PyObjectArenaAllocator",
    "struct _inittab",
    "struct wrapperbase",
)


def entries(extensions: Path | str, *words: str, mode: str = "gil") -> Finished:
    environment = clean_environment(
        PYTHONPATH=extensions, PYTHONNOGIL_MODE=mode, PYTHONWARNINGS="ignore"
    )
    return run_python("-m", "pythonnogil", "entries", *words, env=environment)


def census(extensions: Path | str, *modules: str, mode: str = "gil") -> list[dict[str, Any]]:
    done = entries(extensions, "--json", *modules, mode=mode)
    assert done.rc in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["mode"]) == (1, mode)
    assert document["modules"] == list(modules)
    found = document["entries"]
    assert done.rc == any(entry["status"] == "not guarded" for entry in found)
    return found


@pytest.fixture
def with_planted(extensions: Path, tmp_path: Path) -> str:
    """Where to look for modules: "planted" is one that has the fixture plant its pointers."""
    (tmp_path / "planted.py").write_text(PLANTS)
    return f"{extensions}{os.pathsep}{tmp_path}"


def places(found: list[dict[str, Any]], status: str) -> set[tuple[str, str, str]]:
    """Who holds what, of the entries with this status."""
    return {
        (entry["owner"], entry["slot"], entry["function"])
        for entry in found
        if entry["status"] == status
    }


def fixture_modules(extensions: Path) -> list[str]:
    names = {path.name.partition(".")[0] for path in extensions.glob("*.so")}
    return sorted(names - LEFT_OUT - {PLANTER})


def test_everything_of_the_fixtures_is_guarded(extensions: Path) -> None:
    modules = fixture_modules(extensions)
    found = census(extensions, *modules)
    assert places(found, "not guarded") == set()
    images = {Path(entry["image"]).name.partition(".")[0] for entry in found}
    assert images == {
        *(name for name in modules if not name.startswith(DECLARED)),
        "libprivate_library_core",
    }
    assert all(entry["reason"] for entry in found if entry["status"] == "not needed")


@pytest.mark.parametrize("module", ["types_zoo", "static_counter", "const_tables", "inherited"])
def test_without_the_guard_it_says_so(extensions: Path, module: str) -> None:
    guarded = places(census(extensions, module), "guarded")
    unguarded = places(census(extensions, module, mode="unsafe-nogil"), "not guarded")
    answered = {
        place
        for place in guarded
        if place[2] in ("PyModuleDef_Init", "PyModule_Create2", "PyModule_FromDefAndSpec2")
    }
    assert len(guarded) > 5
    assert guarded - answered <= unguarded


def test_finds_what_was_planted(with_planted: str) -> None:
    found = census(with_planted, "planted")
    planted = {(owner, slot) for owner, slot, _ in places(found, "not guarded")}
    # The table of a type's methods is the same memory that its descriptors point to, and a place
    # counts once, under whichever of its owners comes first.
    slots = sorted(slot for _, slot in planted)
    assert slots == [
        "capsule destructor",
        "getter",
        "m_free",
        "method",
        "method",
        "mp_length",
        "profile function",
        "tp_repr",
        "vectorcall",
    ]
    assert {
        ("capsule object \"planted\"", "capsule destructor"),
        ("the interpreter", "profile function"),
        ("type unguarded_entries.Type", "tp_repr"),
        ("type unguarded_entries.Type", "mp_length"),
        ("instance of unguarded_entries.Type", "vectorcall"),
        ("module unguarded_entries", "m_free"),
    } <= planted
    reasons = {entry["slot"]: entry["reason"] for entry in found if entry["reason"]}
    assert reasons["tp_traverse"] == "the garbage collector calls it with the world stopped"


def test_text_names_what_is_not_guarded(with_planted: str) -> None:
    done = entries(with_planted, "planted")
    assert done.rc == 1
    assert "  not guarded      9\n" in done.stdout
    assert "  not guarded: type unguarded_entries.Type, tp_repr: unguarded_entries." in done.stdout
    assert "  guarded: " not in done.stdout
    assert "  guarded: " in entries(with_planted, "--all", "planted").stdout


@pytest.mark.parametrize(
    ("module", "options"),
    [("failing_init", []), ("failing_init", ["-W", "error"]), ("fails_early", [])],
)
def test_what_a_failed_import_leaves_stays_guarded(
    extensions: Path, module: str, options: list[str]
) -> None:
    code = (
        "import importlib, sys\n"
        f"try: importlib.import_module({module!r})\n"
        "except Exception: pass\n"
        "else: sys.exit('it did not fail')\n"
        "from pythonnogil import _entries\n"
        "for one in _entries.take_census(): print(one.status, one.function, sep=': ')\n"
    )
    done = run_python(*options, "-c", code, env=clean_environment(PYTHONPATH=extensions))
    assert done.rc == 0, done.stderr
    assert "guarded: PyModule_Create2" in done.lines()
    assert [line for line in done.lines() if line.startswith("not guarded")] == []


def test_objects_that_lie_or_refuse_to_answer(extensions: Path) -> None:
    code = (
        "import static_counter\n"
        "class Lies: __class__ = property(lambda self: type)\n"
        "class Refuses:\n"
        "    def __getattribute__(self, name): raise RuntimeError(name)\n"
        "class Meta(type):\n"
        "    def __getattribute__(self, name): raise RuntimeError(name)\n"
        "class Made(metaclass=Meta): pass\n"
        "kept = [Lies(), Refuses(), Made, object.__new__(Made)]\n"
        "from pythonnogil import _entries\n"
        "print({one.status for one in _entries.take_census()} - {'not needed'})\n"
    )
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=extensions))
    assert (done.rc, done.lines()) == (0, ["{'guarded'}"]), done.stderr


def test_nothing_legacy(extensions: Path) -> None:
    done = entries(extensions, "declared", "json")
    assert done.lines() == ["No legacy code is loaded."]


def test_output_that_nobody_reads(extensions: Path) -> None:
    code = (
        "import os, sys; read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "from pythonnogil._command_line import main\n"
        "sys.exit(main(['entries', '--all', 'types_zoo']))"
    )
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=extensions))
    assert (done.rc, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "mode", "line"),
    [
        ([], "gil", "entries: no module given"),
        (["--fast", "json"], "gil", "entries: unknown option --fast"),
        (["absent"], "gil", "entries: cannot import absent: No module named 'absent'"),
        (["json"], "off", "entries: extensions are left to CPython here, with its GIL"),
        (["json"], "fast", 'unknown mode "fast"'),
    ],
)
def test_errors(extensions: Path, words: list[str], mode: str, line: str) -> None:
    done = entries(extensions, *words, mode=mode)
    assert (done.rc, done.stdout) == (2, "")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def declarations() -> dict[str, str]:
    """Every function of CPython's headers, with its parameters, and the variables with none."""
    folder = Path(sysconfig.get_path("include"))
    headers = [*folder.glob("*.h"), *(folder / "cpython").glob("*.h")]
    text = "\n".join(header.read_text() for header in headers)
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    text = re.sub(r"^[ \t]*#(?:\\\n|.)*$", "", text, flags=re.MULTILINE)
    typedefs = re.findall(r"typedef\s[^;{}]*?\(\s*\*\s*(\w+)\s*\)\s*\(", text)
    assert "Py_tracefunc" in typedefs
    found = re.findall(
        r"PyAPI_(?:FUNC|DATA)\s*\([^;]*?\)\s*(\w+|\(\s*\*\s*\w+\s*\))\s*(\([^;{]*\)|)\s*;", text
    )
    names = "|".join(re.escape(name) for name in (*typedefs, *DESCRIPTIONS))
    takes_function = re.compile(rf"\b(?:{names})\b|\(\s*\*")
    return {
        name.strip("(* )"): " ".join(parameters.split())
        for name, parameters in found
        if name.startswith("(") or takes_function.search(parameters)
    }


def test_all_ways_to_hand_over_functions_are_known() -> None:
    found = declarations()
    assert {"PyOS_InputHook", "PyEval_SetTrace", "Py_AtExit", "PyType_FromSpec"} <= found.keys()
    assert found.keys() - REGISTRATIONS.keys() - HARMLESS == set()


def normalized(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what differs from compiler to compiler and from folder to folder."""
    for entry in document["entries"]:
        entry["image"] = Path(entry["image"]).name.replace(SUFFIX, ".so")
        entry["function"] = re.sub(r"\+0x[0-9a-f]+", "+OFFSET", entry["function"])
        entry["function"] = entry["function"].replace(SUFFIX, ".so")
        # Methods are found in the module and in the function objects, whichever comes first.
        if entry["slot"] == "method":
            entry["owner"] = "OWNER"
    document["entries"].sort(key=lambda entry: list(entry.values()))
    return document


def test_json(extensions: Path) -> None:
    found = normalized(json.loads(entries(extensions, "--json", "undeclared_multi").stdout))
    expected = json.loads((GOLDEN / "entries.json").read_text())
    assert found == expected
    assert [list(entry) for entry in found["entries"]] == [
        list(entry) for entry in expected["entries"]
    ]
