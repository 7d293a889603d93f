"""The ways to run a program that the story compares, and the environment of each."""

import os
from dataclasses import dataclass, field
from pathlib import Path

SILENCED = ("PYTHON_GIL", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONSAFEPATH")


@dataclass(frozen=True)
class Configuration:
    """A mode of pythonnogil, and what else is set for it."""

    name: str
    mode: str
    extra: dict[str, str] = field(default_factory=dict)

    def environment(self, module_path: Path) -> dict[str, str]:
        """Return the variables for a child process that also finds modules in `module_path`."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in SILENCED and not name.startswith("PYTHONNOGIL_")
        }
        own = {"PYTHONNOGIL_MODE": self.mode, "PYTHONPATH": str(module_path)}
        return inherited | own | self.extra


STOCK = Configuration("stock CPython", "off")
FORCED_OFF = Configuration("PYTHON_GIL=0", "off", {"PYTHON_GIL": "0"})
GUARDED = Configuration("gil", "gil")
STRICT = Configuration("strict-nogil", "strict-nogil")
UNSAFE = Configuration("unsafe-nogil", "unsafe-nogil")
EVERY = (STOCK, FORCED_OFF, GUARDED, STRICT, UNSAFE)
