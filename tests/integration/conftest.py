"""Fixtures of the integration tests: the fixture extensions, and the two ways to run a script."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from children import LIMIT_OF_A_CONTROL, Stage
from fixture_extensions import fixture_extensions
from processes import SLOWER


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give tests the time that they need under a sanitizer."""
    usual = float(config.getini("timeout"))
    for item in items if SLOWER > 1 else ():
        marker = item.get_closest_marker("timeout")
        limit = marker.args[0] if marker is not None else usual
        item.add_marker(pytest.mark.timeout(SLOWER * limit), append=False)


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
    settings = {
        "PYTHON_GIL": "0",
        "PYTHONNOGIL_MODE": "off",
        "TSAN_OPTIONS": "report_bugs=0",  # races are what a control is there for
    }
    return Stage(extensions, settings, LIMIT_OF_A_CONTROL)


@pytest.fixture(autouse=True)
def no_sanitizer_reports() -> Iterator[None]:
    """Fails a test whose processes left findings of a sanitizer in the folder that is for them."""
    yield
    folder = os.environ.get("PYTHONNOGIL_SANITIZER_REPORTS")
    reports = sorted(Path(folder).iterdir()) if folder else []
    findings = [report.read_text(errors="backslashreplace") for report in reports]
    for report in reports:
        report.unlink()
    assert not findings, "\n".join(findings)
