"""Profilers see through the guard: from legacy code to the interpreter and to main."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "scripts" / "spin_inside.py"
SECONDS = "1"
LIMIT = 90


def environment(extensions: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONNOGIL_FIXTURES": str(extensions), "PYTHONNOGIL_TEST_LIMIT": str(LIMIT)}


def run(*command: str | Path, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, **how)


def record(extensions: Path, data: Path) -> None:
    """Sample the script with perf; skips the test where the kernel lets nobody do that."""
    perf = ("perf", "record", "-q", "-o", data, "-e", "cpu-clock:u", "-F", "100")
    if (trial := run(*perf, "true")).returncode:
        pytest.skip(f"perf cannot record here: {trial.stderr.strip()[:100]}")
    program = (sys.executable, SCRIPT, SECONDS)
    done = run(*perf, "--call-graph", "dwarf,16384", *program, env=environment(extensions))
    assert done.returncode == 0, done.stderr


def call_chains(data: Path) -> list[list[str]]:
    """The functions of each sample, innermost first."""
    done = run("perf", "script", "-i", data, "-F", "ip,sym", "--no-inline")
    assert done.returncode == 0, done.stderr
    samples = [sample.splitlines() for sample in done.stdout.split("\n\n")]
    return [[line.split(None, 1)[1] for line in lines if line.strip()] for lines in samples]


@pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed")
def test_perf_call_chains_from_guarded_code(extensions: Path, tmp_path: Path) -> None:
    data = tmp_path / "perf.data"
    record(extensions, data)
    chains = call_chains(data)
    inside = [chain for chain in chains if "spin" in chain]
    whole = [
        chain
        for chain in inside
        if "_PyEval_EvalFrameDefault" in chain and chain[-1] in ("main", "_start")
    ]
    # A sample may be taken where a frame is just being made, or its stack may be cut off.
    assert len(inside) > 4, len(chains)
    assert len(whole) > 0.7 * len(inside), inside[0]
