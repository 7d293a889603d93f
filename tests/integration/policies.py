"""Policy files for the tests, and the command that reads them."""

from pathlib import Path
from typing import Any

from processes import Finished, run_python

PRINT_POLICY = """
import os, pythonnogil
from pythonnogil import _startup
print(pythonnogil.mode(), _startup.policy_file(), os.environ.get("PYTHONNOGIL_POLICY"))
"""

DISTRUSTED = ('trust = "distrusted"', 'reason = "seen to race"')
TRUSTED = ('trust = "trusted"', 'reason = "counting is all it does"')


def write(folder: Path, text: str, name: str = "policy.toml") -> Path:
    """A policy file with *text* after the version."""
    file = folder / name
    file.write_text(f"version = 1\n{text}")
    return file


def rule(match: str, *settings: str) -> str:
    """A rule for *match*."""
    return "\n".join(["[[module]]", f'match = "{match}"', *settings, ""])


def command(*words: str | Path, options: tuple[str, ...] = (), **how: Any) -> Finished:
    """``python -m pythonnogil policy`` with *words*; *options* go to the interpreter."""
    return run_python(*options, "-m", "pythonnogil", "policy", *words, **how)
