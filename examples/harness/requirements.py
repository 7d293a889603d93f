"""What the story needs from the machine and the interpreter."""

import importlib.metadata
import sysconfig
from pathlib import Path

DISTRIBUTIONS = ("pythonnogil", "gmpy2", "lxml")
HINT = "examples/run sets everything up"


class Missing(Exception):
    """Something that the story needs is not here; the message says what."""


def check(database: Path) -> dict[str, str]:
    """Return the versions of the distributions in use, or raise `Missing`."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Missing(f"this Python is not a free-threaded build; {HINT}")
    if not database.is_file():
        raise Missing(f"no MIME database {database} (Debian: shared-mime-info); {HINT}")
    return {name: _version(name) for name in DISTRIBUTIONS}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise Missing(f"{name} is not installed for this Python; {HINT}") from None
