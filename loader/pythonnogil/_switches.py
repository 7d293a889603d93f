"""What watches a program and changes nothing in it: the record of overlapping calls."""

import os
import sys
from typing import TYPE_CHECKING

from pythonnogil import _startup

if TYPE_CHECKING:
    from types import ModuleType

EVIDENCE_VARIABLE = "PYTHONNOGIL_EVIDENCE"
EVIDENCE_OPTION = "nogil-evidence"


def asked_for() -> "list[Switch]":
    """What the command line or the environment switches on; ValueError for a bad value."""
    switches = (_evidence(),)
    return [switch for switch in switches if switch is not None]


class Switch:
    """Something that is to be watched."""

    def turn_on(self, core: "ModuleType") -> None:
        """Begin, and see to it that child processes do the same."""
        raise NotImplementedError


class _Evidence(Switch):
    def turn_on(self, core: "ModuleType") -> None:
        core.record_overlaps()
        os.environ[EVIDENCE_VARIABLE] = "1"


def _evidence() -> Switch | None:
    place, value = _setting(EVIDENCE_OPTION, EVIDENCE_VARIABLE)
    if value not in ("", "0", "1"):
        raise ValueError(f'pythonnogil: {place}: unknown value "{value}"; write 1, or 0 for off')
    return _Evidence() if value == "1" else None


def _setting(option: str, variable: str) -> tuple[str, str]:
    """Where a setting comes from and what it says; empty when there is none. -X comes first."""
    if option in sys._xoptions:
        value = sys._xoptions[option]
        return f"-X {option}", "1" if value is True else value
    return variable, _startup.variable(variable) or ""
