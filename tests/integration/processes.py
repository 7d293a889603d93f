"""Runs Python in child processes, with a time limit that shows where the child was stuck."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

# A sanitizer makes everything slower, and CPython compiled for one by far.
SLOWER = 4 if "PYTHONNOGIL_SANITIZER_REPORTS" in os.environ else 1
LIMIT = 60.0 * SLOWER
# What is left to a child, after its limit, for writing down its stacks.
GRACE = 10.0


@dataclass(frozen=True)
class Finished:
    """How a child ended: its exit code (negative: the signal that ended it) and its output."""

    rc: int
    stdout: str
    stderr: str

    def lines(self) -> list[str]:
        """The output of a child that had to end well."""
        assert self.rc == 0, f"exit code {self.rc}\n{self.stdout}{self.stderr}"
        return self.stdout.splitlines()


def clean_environment(**settings: str | os.PathLike[str]) -> dict[str, str]:
    """The environment of this process without what steers Python, and with *settings*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {name: os.fspath(value) for name, value in settings.items()}


def run_python(
    *arguments: str | bytes | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    timeout: float = LIMIT,
    input: str = "",
    cwd: str | os.PathLike[str] | None = None,
    program: str | os.PathLike[str] = sys.executable,
) -> Finished:
    """Run this interpreter, or *program*, with *arguments*; *env* is its whole environment.

    A child that exceeds its limit is aborted, upon which faulthandler writes the stacks of all its
    threads, and the test fails with them.
    """
    environment = {**(clean_environment() if env is None else env), "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(
        [program, *arguments],
        env=environment,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
    ) as child:
        try:
            stdout, stderr = child.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            stdout, stderr = abort(child)
            raise AssertionError(f"still running after {timeout} s:\n{stdout}{stderr}") from None
        except BaseException:
            child.kill()
            raise
    return Finished(child.returncode, stdout, stderr)


def abort(child: subprocess.Popen[str]) -> tuple[str, str]:
    """End *child* with its stacks written to its stderr; its output."""
    child.send_signal(signal.SIGABRT)
    try:
        return child.communicate(timeout=GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.communicate()
