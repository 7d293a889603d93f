"""Add up the results in JUnit files, name what failed, and print the sum as the last line.

Usage: count_results.py FOLDER. Exit code 0 when at least one test passed and none failed, else 1.
"""

import dataclasses
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


@dataclasses.dataclass
class Results:
    """What the tests of one or more files came to."""

    passed: int = 0
    skipped: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def summary(self) -> str:
        """Return the one line that says it all."""
        line = f"{self.passed} passed, {len(self.failures)} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line

    def good(self) -> bool:
        """Tell whether something ran and nothing failed."""
        return self.passed > 0 and not self.failures


def has_failed(case: ElementTree.Element) -> bool:
    """Tell whether a test failed or could not run.

    CTest calls a test whose program is missing skipped as well, but with the status "notrun".
    """
    broken = case.find("failure") is not None or case.find("error") is not None
    return broken or case.get("status") == "notrun"


def add_case(results: Results, case: ElementTree.Element, source: str) -> None:
    """Count one test case."""
    if has_failed(case):
        names = dict.fromkeys([case.get("classname"), case.get("name")])
        results.failures.append(f"{source}: {' '.join(filter(None, names))}")
    elif case.find("skipped") is not None:
        results.skipped += 1
    else:
        results.passed += 1


def count(folder: pathlib.Path) -> Results:
    """Add up all files of a folder; a file that cannot be read counts as a failure."""
    results = Results()
    for path in sorted(folder.glob("*.xml")):
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except ElementTree.ParseError as error:
            results.failures.append(f"{path.name}: not a complete JUnit file: {error}")
            continue
        for case in cases:
            add_case(results, case, path.stem)
    return results


def main(arguments: list[str]) -> int:
    """Print the failures and the sum; return the exit code."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    results = count(pathlib.Path(arguments[0]))
    for failure in results.failures:
        print(f"FAILED {failure}")
    print(results.summary())
    return 0 if results.good() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
