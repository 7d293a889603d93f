"""Modules without a definition: CPython 3.15 gets their slots from an export function."""

import sys
import textwrap

import pytest
from children import Stage
from processes import clean_environment, run_python

pytestmark = pytest.mark.skipif(sys.version_info < (3, 15), reason="new in Python 3.15")


def run(stage: Stage, program: str, **settings: str):
    environment = clean_environment(PYTHONPATH=stage.fixtures, **settings)
    return run_python("-c", textwrap.dedent(program), env=environment)


def test_exported_slots_are_guarded(guarded: Stage) -> None:
    guarded.check("increments.py", "exported_slots", "exported_slots.increment", 150_000)


def test_exported_slots_are_guarded_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("increments.py", "exported_slots", "exported_slots.increment", 150_000)


@pytest.mark.parametrize("module", ["exported_slots", "exported_declared"])
def test_module_is_as_it_was_written(guarded: Stage, module: str) -> None:
    """Also in a second import, for which CPython calls the export function again."""
    program = f"""
        import sys
        for _ in range(2):
            import {module} as module
            print(module.__doc__, module.executed, module.has_own_token(), sys._is_gil_enabled())
            del sys.modules["{module}"]
    """
    done = run(guarded, program)
    assert done.stdout == "Made from slots. 1 True False\nMade from slots. 2 True False\n"
    assert done.stderr == ""


def test_verdicts(guarded: Stage) -> None:
    names = ["exported_slots", "exported_declared"]
    verdicts = guarded.check("legacy_modules.py", *names)["verdicts"]
    assert [verdicts[name]["verdict"] for name in names] == ["legacy", "declared"]
    assert verdicts["exported_slots"]["entries"] > 5
    assert verdicts["exported_declared"]["entries"] == 0


def test_strict_mode_refuses_before_any_slot_runs(guarded: Stage) -> None:
    program = """
        import sys
        import exported_declared
        try:
            import exported_slots
        except ImportError as error:
            print(error.name, "strict-nogil refuses" in str(error), sys._is_gil_enabled())
        print("exported_slots" in sys.modules)
    """
    done = run(guarded, program, PYTHONNOGIL_MODE="strict-nogil")
    assert done.stdout == "exported_slots True False\nFalse\n"


def test_unsafe_mode_warns(guarded: Stage) -> None:
    program = "import exported_slots, sys; print(sys._is_gil_enabled())"
    done = run(guarded, program, PYTHONNOGIL_MODE="unsafe-nogil")
    assert done.stdout == "False\n"
    assert done.stderr.count("UnsafeExtensionWarning: unsafe import of 'exported_slots'") == 1
