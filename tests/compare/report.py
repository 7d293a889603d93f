"""The result of a comparison: a table for people, and a JUnit file for the sum of tests/run."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Row:
    """One line of the table."""

    name: str
    kind: str = ""
    tests: int = 0
    passed: int = 0
    seconds: float = 0.0
    verdict: str = ""
    further: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        """Return the text of each column."""
        return [
            self.name,
            self.kind,
            f"{self.tests:,}",
            f"{self.passed:,}",
            f"{self.seconds:.0f} s",
            self.verdict,
            *self.further,
        ]


class Report:
    """Collects the results of a comparison and says them as they come."""

    def __init__(self, title: str, further: list[str] | None = None) -> None:
        """Begin a report that is called *title*; *further* columns come last."""
        self._further = further or []
        self._rows: list[Row] = []
        self._suite = ElementTree.Element("testsuite", name=title)
        self.good = True

    def _case(self, row: Row) -> ElementTree.Element:
        self._rows.append(row)
        title = self._suite.get("name", "")
        return ElementTree.SubElement(self._suite, "testcase", classname=title, name=row.name)

    def add(self, row: Row, same: int, rounds: int, troubles: list[str]) -> None:
        """Take down how many of the guarded runs were the same, and what was not."""
        row.verdict = f"same {same} of {rounds}"
        case = self._case(row)
        for trouble in troubles:
            print(f"  {row.name}: {trouble}", flush=True)
        if troubles or same != rounds:
            self.good = False
            ElementTree.SubElement(case, "failure", message="\n".join(troubles[:5]))

    def skip(self, row: Row, reason: str) -> None:
        """Take down what was not run, and why."""
        row.verdict = f"not run: {reason}"
        ElementTree.SubElement(self._case(row), "skipped", message=reason)

    def table(self) -> str:
        """Return the rows as a table in Markdown."""
        heading = ["what", "kind", "tests", "pass with GIL", "time", "guarded"]
        heading += self._further
        lines = [heading, ["---"] * len(heading), *[row.cells() for row in self._rows]]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def write(self, path: Path) -> None:
        """Write the JUnit file."""
        ElementTree.ElementTree(self._suite).write(path, encoding="unicode")
