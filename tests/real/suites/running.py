"""Runs the tests of one suite once, with the GIL or guarded, and reads what became of them."""

import fnmatch
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from building import Built
from catalogue import Suite

from outcomes import PASSED, Outcomes, from_record

RECORDER = Path(__file__).resolve().parents[2] / "compare"
GRACE = 10.0
_LEFT_OUT_PLUGINS = ("cacheprovider", "run-parallel", "xdist")
WITH_GIL = {"PYTHONNOGIL_MODE": "off", "PYTHON_GIL": "1"}
GUARDED = {"PYTHONNOGIL_MODE": "gil"}
# As the census of entries (`python -m pythonnogil entries`) calls them, in the order of the table.
NOT_GUARDED = "not guarded"
ENTRIES = ["guarded", "not needed", NOT_GUARDED]


class RunError(Exception):
    """A run of a suite that says nothing about its tests, or not what it has to say."""


@dataclass(frozen=True)
class Run:
    """What became of the tests, and of the process and its extension modules."""

    outcomes: Outcomes
    gil: bool
    modules: dict[str, list[object]]
    entries: list[dict[str, str]]

    def entries_that_are(self, status: str, known: Iterable[str] = ()) -> list[dict[str, str]]:
        """List the function pointers of legacy code that are *status*, but for *known* owners'."""
        return [
            entry
            for entry in self.entries
            if entry["status"] == status
            and not any(fnmatch.fnmatchcase(entry["owner"], owner) for owner in known)
        ]


def command(suite: Suite) -> list[str]:
    """Return the words that start the tests of *suite*.

    The package must come from the folder it was installed in, not from its sources beside the
    tests; the settings of its pytest are left alone, for they may ask for plugins.
    """
    if suite.unittest:
        return [sys.executable, "-P", str(RECORDER / "recorder.py"), *suite.arguments]
    # Two of them are installed for tests of ours; one of these ends a run when the GIL comes on.
    without = [word for name in _LEFT_OUT_PLUGINS for word in ("-p", f"no:{name}")]
    options = ["-p", "recorder", *without, "-c", os.devnull, "--rootdir", "."]
    left_out = [word for test in suite.leave_out for word in ("--deselect", test)]
    quiet = ["-q", "--tb=short", "--import-mode=append", "-W", "ignore::UserWarning"]
    return [sys.executable, "-P", "-m", "pytest", *options, *quiet, *left_out, *suite.arguments]


def environment(suite: Suite, built: Built, mode: dict[str, str], record: Path) -> dict[str, str]:
    """Return the whole environment of a run."""
    own = [built.source / suite.in_place] if suite.in_place else []
    further = [built.source / folder for folder in suite.path]
    places = [*own, built.site, *built.used, RECORDER, *further]
    names = {"source": built.source, "server": built.server}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOGIL_RECORD": str(record),
        **{name: value.format_map(names) for name, value in suite.environment.items()},
        **mode,
    }


def finish(child: subprocess.Popen[bytes], limit: float) -> str:
    """Wait for *child*; in how it ended, one that exceeds its limit has its stacks written."""
    try:
        code = child.wait(limit)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGABRT)
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        return f"was still running after {limit:.0f} s"
    return f"ended with {code}"


def run(suite: Suite, built: Built, mode: dict[str, str], log: Path, patience: float) -> Run:
    """Run the tests once; their output goes to *log*, their time limit is *patience* times as long.
    """
    record = log.with_suffix(".json")
    record.unlink(missing_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            command(suite),
            cwd=built.source,
            env=environment(suite, built, mode, record),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ending = finish(child, suite.limit * patience)
    if not record.exists() or "running" in ending or "with -" in ending:
        raise RunError(f"the tests' process {ending}; see {log}")
    outcomes, state = from_record(record)
    if not outcomes:
        raise RunError(f"no test ran; see {log}")
    return Run(outcomes, bool(state["gil"]), dict(state["modules"]), list(state["entries"]))


def check_reference(run: Run) -> None:
    """See to it that there is something to compare: tests that could be read, and passed."""
    unread = [test for test in run.outcomes if test.endswith("(collection)")]
    if unread:
        raise RunError(f"{unread[0].removesuffix(' (collection)')} could not be collected")
    if PASSED not in run.outcomes.values():
        raise RunError("no test passed")


def check_guard(suite: Suite, run: Run) -> None:
    """See to it that a guarded run really was one."""
    if run.gil:
        raise RunError("the GIL was on at the end")
    for module in suite.modules:
        verdict, entries = run.modules.get(module, ["not imported", 0])
        if verdict != "legacy" or not entries:
            raise RunError(f"{module} was not guarded: {verdict}, {entries} entries")
    open_ways = run.entries_that_are(NOT_GUARDED, suite.unguarded)
    if open_ways:
        first = open_ways[0]
        raise RunError(
            f"{len(open_ways)} entries are not guarded, among them {first['slot']} of "
            f"{first['owner']}: {first['function']}"
        )
