"""greenlet switches C stacks: also from inside guarded calls."""

from pathlib import Path

import pytest
from children import LIMIT_OF_A_CONTROL, TRIES, Stage
from test_real_packages import SCRIPTS

SCRIPT = str(SCRIPTS / "greenlet_switches.py")
WAYS = ["method", "capsule"]


@pytest.mark.parametrize("way", WAYS)
def test_switches_inside_guarded_calls(extensions: Path, way: str) -> None:
    Stage(extensions).check(SCRIPT, way, settings=library_of_scripts())


@pytest.mark.parametrize("way", WAYS)
def test_switches_inside_guarded_calls_control(extensions: Path, way: str) -> None:
    plain = {"PYTHON_GIL": "0", "PYTHONNOGIL_MODE": "off"}
    stage = Stage(extensions, {**plain, **library_of_scripts()}, LIMIT_OF_A_CONTROL)
    stage.assert_hazard(SCRIPT, way, tries=TRIES)


def library_of_scripts() -> dict[str, str]:
    """Where the scripts find the module that they share with those of the integration tests."""
    return {"PYTHONPATH": str(Path(__file__).parents[1] / "integration" / "scripts")}
