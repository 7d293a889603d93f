"""The lock tortured for a minute at a time, and small cases explored with one more interruption.

Both programs are native and built by the release preset, as tests/run does.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "build" / "release" / "tests" / "torture"


def output_of(program: str, *arguments: str, limit: float, **environment: str) -> str:
    path = PROGRAMS / program
    if not path.exists():
        pytest.fail(f"{program} is not built; run tests/run --stress without --skip-native")
    child = subprocess.run(
        [path, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=limit,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    return child.stdout


@pytest.mark.parametrize("seed", ["11", "12", "13"])
@pytest.mark.parametrize("threads", ["2", "8"])
@pytest.mark.parametrize("lock", ["real", "detachable"])
def test_no_error_in_a_minute(lock: str, threads: str, seed: str) -> None:
    options = ["--seconds", "60", "--threads", threads, "--seed", seed]
    assert "no error" in output_of("torture", lock, *options, limit=300)


@pytest.mark.parametrize("seed", ["11", "12", "13"])
@pytest.mark.parametrize(
    "lock", ["none", "missing-barrier", "lost-wake-up", "lying-detach", "kept-on-detach"]
)
def test_broken_locks_are_found_within_a_minute(lock: str, seed: str) -> None:
    output_of("torture", lock, "--must-fail", "--seconds", "60", "--seed", seed, limit=300)


def test_no_error_in_any_order_of_small_cases() -> None:
    only = "--gtest_filter=RealLock*"
    output = output_of("explore_test", only, limit=3600, PYTHONNOGIL_STRESS="1")
    assert "schedules, no error" in output
