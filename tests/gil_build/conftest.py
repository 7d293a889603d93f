"""Fixtures of the tests on a GIL build: a few of the fixture extensions, built for it."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SOURCES = TESTS / "fixtures" / "extensions"
FIXTURES = ("atomic_ref", "declared", "explicit_used", "static_counter", "undeclared_multi")
PORT = TESTS.parent / "examples" / "ported_template" / "letter_template.c"
HEADER = TESTS.parent / "include"
BUILD_LIMIT = 120.0

# processes.py is shared with the integration tests.
sys.path.insert(0, str(TESTS / "integration"))


def pytest_configure() -> None:
    """Refuse an interpreter on which none of the tests would mean anything."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.exit("these tests need a build of CPython with the GIL; run tests/run", 2)


def build(source: Path, folder: Path) -> None:
    """Compile one extension into *folder*."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.exit("the fixture extensions cannot be built: there is no cc; run tests/run", 2)
    file = folder / (source.stem + sysconfig.get_config_var("EXT_SUFFIX"))
    include = sysconfig.get_path("include")
    command = [compiler, "-shared", "-fPIC", "-O2", "-I", include, "-I", HEADER, source]
    done = subprocess.run(
        [*command, "-o", file], capture_output=True, text=True, timeout=BUILD_LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the fixture extensions, built for this interpreter."""
    folder = tmp_path_factory.mktemp("extensions")
    for source in (*(SOURCES / f"{name}.c" for name in FIXTURES), PORT):
        build(source, folder)
    return folder
