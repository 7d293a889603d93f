"""What became of each test of a run, and how two runs differ."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"
MISSING = "not run"

Outcomes = dict[str, str]


@dataclass(frozen=True)
class Difference:
    """One test that came out differently."""

    test: str
    reference: str
    guarded: str

    def __str__(self) -> str:
        """Name the test and both outcomes."""
        return f"{self.test}: {self.reference} with the GIL, {self.guarded} guarded"


def add(outcomes: Outcomes, test: str, outcome: str) -> None:
    """Add the outcome of *test*; a second test of the same name gets a number."""
    name, number = test, 1
    while name in outcomes:
        number += 1
        name = f"{test} ({number})"
    outcomes[name] = outcome


def of_case(case: ElementTree.Element) -> str:
    """Read the outcome of one test from its element in a JUnit file."""
    for tag, outcome in (("error", ERROR), ("failure", FAILED), ("skipped", SKIPPED)):
        if case.find(tag) is not None:
            return outcome
    return PASSED


def from_junit(path: Path) -> Outcomes:
    """Read the outcomes of a run from the JUnit file it left."""
    outcomes: Outcomes = {}
    for case in ElementTree.parse(path).iter("testcase"):
        names = dict.fromkeys([case.get("classname"), case.get("name")])
        add(outcomes, ".".join(filter(None, names)), of_case(case))
    return outcomes


def from_record(path: Path) -> tuple[Outcomes, dict[str, object]]:
    """Read what recorder.py wrote: the outcomes, and the state of the process at the end."""
    record = json.loads(path.read_text())
    return record.pop("outcomes"), record


def differences(reference: Outcomes, guarded: Outcomes) -> list[Difference]:
    """Compare two runs test by test; a test that one of them did not run is a difference."""
    return [
        Difference(test, reference.get(test, MISSING), guarded.get(test, MISSING))
        for test in dict.fromkeys([*reference, *guarded])
        if reference.get(test, MISSING) != guarded.get(test, MISSING)
    ]
