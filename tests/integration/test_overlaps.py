"""The record of overlapping calls of modules that run unguarded: cases with a known answer."""

from pathlib import Path
from typing import Any

import pytest
from children import Stage
from policies import rule, write
from processes import clean_environment, run_python

ROUNDS = 20
RECORDED = {"PYTHONNOGIL_MODE": "unsafe-nogil", "PYTHONNOGIL_EVIDENCE": "1"}
QUIET = ("-W", "ignore::RuntimeWarning")


def overlap(first: str, second: str, count: int, same_object: bool = False) -> dict[str, Any]:
    """One item of the list that is expected."""
    return {
        "module": "overlapper",
        "first": first,
        "second": second,
        "same_object": same_object,
        "count": count,
    }


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("functions", [overlap("left", "right", ROUNDS)]),
        ("one function", [overlap("left", "left", ROUNDS)]),
        ("same object", [overlap("Thing.left", "Thing.right", ROUNDS, same_object=True)]),
        ("different objects", [overlap("Thing.left", "Thing.right", ROUNDS)]),
        ("turns", []),
        ("away", []),
        ("visitor ends first", [overlap("stay_away", "visit", 1)]),
        ("visitor ends last", [overlap("stay_away", "visit", 1)]),
        ("nested", [overlap("call", "right", 1), overlap("left", "right", 1)]),
        ("fork", []),
    ],
)
def test_known_overlaps(guarded: Stage, case: str, expected: list[dict[str, Any]]) -> None:
    """Each overlap is counted once, whichever of the two calls was first."""
    report = guarded.check("overlaps.py", case, settings=RECORDED, options=QUIET)
    assert report["overlaps"] == expected
    [module] = [module for module in report["modules"] if module["name"] == "overlapper"]
    assert (module["verdict"], module["scope"], module["entries"]) == ("legacy", "none", 0)


def test_scope_none_is_recorded_and_others_are_not(guarded: Stage, tmp_path: Path) -> None:
    policy = write(tmp_path, rule("overlapper", 'scope = "none"'))
    settings = {"PYTHONNOGIL_EVIDENCE": "1", "PYTHONNOGIL_POLICY": str(policy)}
    report = guarded.check("overlaps.py", "functions", settings=settings, options=QUIET)
    assert report["overlaps"] == [overlap("left", "right", ROUNDS)]
    report = guarded.check("overlaps.py", "turns", settings={"PYTHONNOGIL_EVIDENCE": "1"})
    [module] = [module for module in report["modules"] if module["name"] == "overlapper"]
    assert module["scope"] == "process" and module["entries"] > 0
    assert report["overlaps"] == []


@pytest.mark.parametrize(
    ("options", "settings", "recorded"),
    [
        ((), {}, False),
        ((), {"PYTHONNOGIL_EVIDENCE": ""}, False),
        ((), {"PYTHONNOGIL_EVIDENCE": "0"}, False),
        (("-X", "nogil-evidence"), {}, True),
        (("-X", "nogil-evidence=1"), {}, True),
        (("-X", "nogil-evidence=0"), {"PYTHONNOGIL_EVIDENCE": "1"}, False),
    ],
)
def test_switch(
    guarded: Stage, options: tuple[str, ...], settings: dict[str, str], recorded: bool
) -> None:
    settings = {"PYTHONNOGIL_MODE": "unsafe-nogil", **settings}
    report = guarded.check("overlaps.py", "functions", settings=settings, options=QUIET + options)
    assert report["overlaps"] == ([overlap("left", "right", ROUNDS)] if recorded else [])


@pytest.mark.parametrize(
    ("option", "place"),
    [
        (("-X", "nogil-evidence=yes"), "-X nogil-evidence"),
        ((), "PYTHONNOGIL_EVIDENCE"),
    ],
)
def test_bad_value(option: tuple[str, ...], place: str) -> None:
    """A switch that nobody understands ends the process before the program begins."""
    environment = clean_environment(**({} if option else {"PYTHONNOGIL_EVIDENCE": "yes"}))
    done = run_python(*option, "-c", "print('ran')", env=environment)
    expected = f'pythonnogil: {place}: unknown value "yes"; write 1, or 0 for off\n'
    assert (done.rc, done.stdout, done.stderr) == (2, "", expected)


def test_children_record_too(extensions: Path) -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=1)"
    child = "import os; print(os.environ['PYTHONNOGIL_EVIDENCE'])"
    assert run_python("-X", "nogil-evidence", "-c", program, child).lines() == ["1"]


def test_nothing_else_changes(guarded: Stage, unguarded: Stage) -> None:
    """What a program sees of modules that are recorded is what it sees without us."""
    plain = unguarded.check("behaviour.py")["description"]
    recorded = guarded.check("behaviour.py", settings=RECORDED, options=QUIET)["description"]
    assert recorded == plain


@pytest.mark.parametrize("module", ["types_zoo", "cython_fixture", "pybind_fixture"])
def test_identity_stays(
    extensions: Path, guarded: Stage, unguarded: Stage, module: str
) -> None:
    if not list(extensions.glob(f"{module}.*")):
        pytest.skip(f"{module} was not built: its generator is not installed")
    plain = unguarded.check("identity.py", module)["description"]
    recorded = guarded.check("identity.py", module, settings=RECORDED, options=QUIET)
    assert recorded["description"] == plain


def test_record_is_empty_before_the_first_extension() -> None:
    assert run_python("-c", "import pythonnogil; print(pythonnogil.overlaps())").lines() == ["[]"]
