"""Fixtures of the tests of real packages: the two ways to run a script."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
INTEGRATION = HERE.parent / "integration"
sys.path.insert(0, str(INTEGRATION))

from children import LIMIT_OF_A_CONTROL, Stage  # noqa: E402  found through the line above
from fixture_extensions import fixture_extensions  # noqa: E402

SCRIPTS = HERE / "scripts"
# The packages are installed, so there is no folder of extensions to add; the scripts share the
# module `stage` with those of the integration tests.
SETTINGS = {"PYTHONPATH": str(INTEGRATION / "scripts")}


@pytest.fixture
def guarded() -> Stage:
    """Runs scripts in the default mode, as a user of pythonnogil does."""
    return Stage(SCRIPTS, SETTINGS)


@pytest.fixture
def unguarded() -> Stage:
    """Runs scripts as the control: without the GIL and without pythonnogil."""
    settings = {**SETTINGS, "PYTHON_GIL": "0", "PYTHONNOGIL_MODE": "off"}
    return Stage(SCRIPTS, settings, LIMIT_OF_A_CONTROL)


@pytest.fixture(scope="session")
def extensions() -> Path:
    """The folder with the fixture extensions, for scripts that need one besides the package."""
    return fixture_extensions()
