"""What ``pythonnogil.stats()`` returns: the program, its modules, and what was recorded of them."""

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pythonnogil import _startup

if TYPE_CHECKING:
    from pythonnogil._core import (
        Durations,
        EntryCounts,
        FunctionMeasures,
        GroupMeasures,
        Longest,
        Measures,
        Memory,
        ModuleInfo,
        Overlap,
    )
else:
    Measures = TypedDict("Measures", {})
    Overlap = TypedDict("Overlap", {})

SCHEMA = "pythonnogil-report"
VERSION = 1

_NO_DURATIONS: "Durations" = {"total": 0.0, "p50": 0.0, "p99": 0.0, "p99.9": 0.0, "max": 0.0}
_NOTHING_RECORDED: "GroupMeasures" = {
    "name": "",
    "file": "",
    "domain": None,
    "entries": {"guarded": 0, "open": 0},
    "calls": 0,
    "waits": 0,
    "contended_share": 0.0,
    "wait": _NO_DURATIONS,
    "hold": _NO_DURATIONS,
    "waits_over": {"1ms": 0, "5ms": 0, "16ms": 0, "100ms": 0},
    "longest_hold": None,
    "longest_wait": None,
    "functions": [],
}
_NO_MEMORY: "Memory" = {"recorder_bytes": 0, "entries_bytes": 0}


class Program(TypedDict):
    """The process, and what holds in it."""

    command: list[str]
    executable: str
    python: str
    pid: int
    started: str
    seconds: float
    mode: str
    gil_enabled: bool
    recording: bool


class ModuleMeasures(Measures):
    """One extension: what was decided for it, and what was recorded of its functions.

    The verdict ``library`` is that of a file that is no module itself, such as a library that a
    module brings along and that registers functions late.
    """

    name: str
    file: str
    verdict: Literal["declared", "legacy", "trusted", "library"]
    mode: str
    scope: str | None
    domain: str | None
    entries: "EntryCounts"
    longest_hold: "Longest | None"
    longest_wait: "Longest | None"
    functions: "list[FunctionMeasures]"


class Stats(TypedDict):
    """The report: see ``pythonnogil.stats``."""

    schema: str
    version: int
    program: Program
    modules: list[ModuleMeasures]
    overlaps: "list[Overlap]"
    memory: "Memory"


def stats() -> Stats:
    """What is known now."""
    core = sys.modules.get("pythonnogil._core")
    recorded = None if core is None else core.statistics()
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "program": _program(recording=core is not None and core.recording()),
        "modules": [] if recorded is None else _modules(core.modules(), recorded["modules"]),
        "overlaps": [] if core is None else core.overlaps(),
        "memory": _NO_MEMORY if recorded is None else recorded["memory"],
    }


def _program(*, recording: bool) -> Program:
    seconds = _seconds_since_start()
    return {
        "command": list(sys.orig_argv),
        "executable": sys.executable,
        "python": sys.version.split()[0] + (" free-threading" if "t" in sys.abiflags else ""),
        "pid": os.getpid(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds)),
        "seconds": seconds,
        "mode": _startup.mode(),
        "gil_enabled": sys._is_gil_enabled(),
        "recording": recording,
    }


def _seconds_since_start() -> float:
    # The 22nd field is the start of the process in clock ticks since the machine was started; the
    # second one, a name in parentheses, may contain spaces.
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks)


def _modules(
    known: "list[ModuleInfo]", recorded: "list[GroupMeasures]"
) -> list[ModuleMeasures]:
    groups = {(group["name"], group["file"]): group for group in recorded}
    modules = [
        _module(module, groups.pop((module["name"], module["path"]), None)) for module in known
    ]
    return modules + [_library(group) for group in groups.values()]


def _module(module: "ModuleInfo", group: "GroupMeasures | None") -> ModuleMeasures:
    return {
        "name": module["name"],
        "file": module["path"],
        "verdict": module["verdict"],
        "mode": module["mode"],
        "scope": None if module["scope"] == "none" else module["scope"],
        **_measures(_NOTHING_RECORDED if group is None else group),
    }


def _library(group: "GroupMeasures") -> ModuleMeasures:
    return {
        "name": os.path.basename(group["file"]),
        "file": group["file"],
        "verdict": "library",
        "mode": _startup.mode(),
        "scope": None,
        **_measures(group),
    }


def _measures(group: "GroupMeasures") -> "dict[str, Any]":
    return {key: value for key, value in group.items() if key not in ("name", "file")}
