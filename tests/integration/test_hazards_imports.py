"""Imports: inside legacy code, failing, refused by a warning, and what modules declare."""

from pathlib import Path

import pytest
from children import Stage

ORDERS = [("imports_other_a", "imports_other_b"), ("imports_other_b", "imports_other_a")]
LEGACY = {
    "static_counter": "single-phase",
    "shared_cache": "single-phase",
    "undeclared_multi": "undeclared",
    "const_tables": "undeclared",
    "late_set_gil": "undeclared",
    "explicit_used": "explicit",
}
DECLARED = ["declared", "declared_single"]


@pytest.mark.parametrize("order", ORDERS, ids=["a-first", "b-first"])
def test_import_inside_legacy_code(guarded: Stage, order: tuple[str, str]) -> None:
    for _ in range(3):
        report = guarded.check("imports_other.py", *order)
        assert report["linked"]


@pytest.mark.parametrize("order", ORDERS, ids=["a-first", "b-first"])
def test_import_inside_legacy_code_control(unguarded: Stage, order: tuple[str, str]) -> None:
    unguarded.assert_hazard("imports_other.py", *order)


@pytest.mark.parametrize("module", ["failing_init", "failing_exec"])
def test_failing_twice_gives_the_same_error(
    guarded: Stage, unguarded: Stage, module: str
) -> None:
    report = guarded.check("failing_import.py", module)
    assert report["errors"] == [f"ValueError: {module} does not want to"] * 2
    assert not report["left_behind"]
    assert report["errors"] == unguarded.check("failing_import.py", module)["errors"]


def test_warning_as_error_fails_the_import(guarded: Stage, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    report = guarded.check(
        "failing_import.py",
        "undeclared_multi",
        options=("-W", "error"),
        settings={"UNDECLARED_MULTI_TRACE": str(trace)},
    )
    assert "ImportWarning" in report["classes"]
    assert "'undeclared_multi'" in report["errors"][0]
    assert report["errors"][0] == report["errors"][1]
    assert not report["left_behind"]
    assert not trace.exists(), "the module's exec code ran"


def test_exec_code_runs_without_warning_as_error(guarded: Stage, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    report = guarded.check(
        "failing_import.py",
        "undeclared_multi",
        settings={"UNDECLARED_MULTI_TRACE": str(trace)},
    )
    assert report["errors"] == []
    assert trace.read_text() == "exec ran\n"


@pytest.mark.parametrize("module", LEGACY)
def test_legacy_module_is_guarded(guarded: Stage, module: str) -> None:
    verdict = guarded.check("legacy_modules.py", module)["verdicts"][module]
    assert verdict["verdict"] == "legacy"
    assert verdict["reason"] == LEGACY[module]
    assert verdict["mode"] == "gil"
    assert verdict["entries"] > 0


@pytest.mark.parametrize("module", DECLARED)
def test_declared_module_is_left_alone(guarded: Stage, module: str) -> None:
    verdict = guarded.check("legacy_modules.py", module)["verdicts"][module]
    assert verdict["verdict"] == "declared"
    elapsed = guarded.check("declared.py", module)["elapsed"]
    assert elapsed < 0.6, "four sleeps of 0.2 s in a declared module were kept apart"


def test_all_together(guarded: Stage) -> None:
    names = [*LEGACY, *DECLARED]
    verdicts = guarded.check("legacy_modules.py", *names)["verdicts"]
    assert sorted(verdicts) == sorted(names)


def test_constructor_of_a_static_that_detaches(guarded: Stage) -> None:
    guarded.check("static_init.py")
