"""Fixtures of the integration tests: the fixture extensions, and the two ways to run a script."""

from pathlib import Path

import pytest
from children import LIMIT_OF_A_CONTROL, Stage
from fixture_extensions import fixture_extensions


@pytest.fixture(scope="session")
def extensions() -> Path:
    """The folder with the fixture extensions."""
    return fixture_extensions()


@pytest.fixture
def guarded(extensions: Path) -> Stage:
    """Runs scripts in the default mode, as a user of pythonnogil does."""
    return Stage(extensions)


@pytest.fixture
def unguarded(extensions: Path) -> Stage:
    """Runs scripts as the control: without the GIL and without pythonnogil."""
    settings = {"PYTHON_GIL": "0", "PYTHONNOGIL_MODE": "off"}
    return Stage(extensions, settings, LIMIT_OF_A_CONTROL)
