"""Builds the fixture extensions for the interpreter that runs the tests."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "fixtures" / "extensions"
BUILD_LIMIT = 600.0


def build_extensions() -> Path:
    """Build the fixture extensions for this interpreter; quick when they are up to date."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.exit("the fixture extensions cannot be built: there is no cmake; run tests/run", 2)
    key = hashlib.sha256(sys.executable.encode()).hexdigest()[:8]
    folder = ROOT / "build" / f"fixtures-{sysconfig.get_config_var('SOABI')}-{key}"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    for command in (
        [cmake, *generator, "-S", SOURCES, "-B", folder, f"-DPython_EXECUTABLE={sys.executable}"],
        [cmake, "--build", folder],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_LIMIT)
        if done.returncode:
            pytest.exit(f"building the fixture extensions failed:\n{done.stdout}{done.stderr}", 2)
    return folder / "fixtures"


def fixture_extensions() -> Path:
    """The folder with the fixture extensions, built if the environment names no other."""
    named = os.environ.get("PYTHONNOGIL_FIXTURES")
    return Path(named) if named else build_extensions()
