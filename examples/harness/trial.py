"""Runs a workload once in a child process and says how it ended."""

import json
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.configurations import STRICT, Configuration

GRACE = 5.0


class Outcome(StrEnum):
    """How a run ended, the best first."""

    RIGHT = "right"
    REFUSED = "refused"
    WRONG = "wrong"
    FAILED = "failed"
    HUNG = "hung"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Trial:
    """One run of one workload. `gil` is None if the process died before it could tell."""

    outcome: Outcome
    gil: bool | None
    seconds: float | None
    detail: str
    signal_name: str = ""


def forbid_core_files() -> None:
    """Crashes are expected here: have neither this process nor its children leave core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def run_trial(
    script: Path, configuration: Configuration, module_path: Path, time_limit: float
) -> Trial:
    """Run `script` in a child process under `configuration` and classify what came of it."""
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=configuration.environment(module_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        output, errors = process.communicate(timeout=time_limit)
        timed_out = False
    except subprocess.TimeoutExpired:
        output, errors = _stop(process)
        timed_out = True
    finally:
        process.kill()
    report = _reports(output)
    if timed_out:
        return Trial(Outcome.HUNG, report.get("gil"), None, "did not end within the time limit")
    if report.get("stage") == "refused":
        refusal = Outcome.REFUSED if configuration is STRICT else Outcome.FAILED
        return Trial(refusal, report["gil"], None, report["detail"])
    return _classify(report, errors, process.returncode)


def _stop(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End a process that hangs: by SIGABRT, so that faulthandler can say where it was."""
    process.send_signal(signal.SIGABRT)
    try:
        return process.communicate(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def _reports(output: str) -> dict[str, Any]:
    """Return what the child reported; later lines win."""
    merged: dict[str, Any] = {}
    for line in output.splitlines():
        try:
            merged |= json.loads(line)
        except ValueError:
            continue  # the line of a process that died while it wrote
    return merged


def _classify(report: dict[str, Any], errors: str, status: int) -> Trial:
    """Turn what is known about a process that ended by itself into a `Trial`."""
    gil = report.get("gil")
    finished = report.get("stage") == "finished"
    if status < 0:
        cause = _cause(errors) + (" at exit" if finished else "")
        return Trial(Outcome.CRASHED, gil, None, cause, signal.Signals(-status).name)
    if status != 0 or not finished:
        return Trial(Outcome.FAILED, gil, None, _cause(errors) or f"exit code {status}")
    outcome = Outcome.RIGHT if report["right"] else Outcome.WRONG
    return Trial(outcome, gil, report["seconds"], report["detail"])


def _cause(errors: str) -> str:
    """Return the line of standard error that says most about why a process died."""
    lines = [line for line in errors.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith("Fatal Python error")]
    first_glibc = [line for line in lines if "()" in line and not line.startswith(" ")]
    return next(iter(first_glibc + telling + lines[-1:]), "")
