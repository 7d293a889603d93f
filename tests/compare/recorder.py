"""Runs inside the process of a test suite and writes down what became of each test.

As a plugin of pytest: `-p recorder`. As a program, for suites that are made of unittest's
`test_suite()` functions: `recorder.py MODULE_OR_PACKAGE...`, where `-MODULE` leaves one out.
PYTHONNOGIL_RECORD names the file to write, which also tells whether the GIL was off at the end,
what became of each extension module and which function pointers of theirs CPython then held.
"""

import importlib
import json
import os
import pkgutil
import sys
import unittest
from typing import Any

from outcomes import ERROR, FAILED, PASSED, SKIPPED, Outcomes, add

_outcomes: Outcomes = {}


def write() -> None:
    """Write the record. The file appears complete or not at all."""
    record: dict[str, Any] = {
        "outcomes": _outcomes,
        "gil": sys._is_gil_enabled(),
        "modules": {},
        "entries": [],
    }
    if os.environ.get("PYTHONNOGIL_MODE") != "off":
        record |= guarded_modules()
    path = os.environ["PYTHONNOGIL_RECORD"]
    with open(f"{path}.part", "w") as file:
        json.dump(record, file)
    os.replace(f"{path}.part", path)


def guarded_modules() -> dict[str, Any]:
    """Tell what became of each extension module, and take the census of entries."""
    import pythonnogil
    from pythonnogil import _entries

    modules = {one["name"]: [one["verdict"], one["entries"]] for one in pythonnogil.modules()}
    # Where the GIL came on after all, the guard is not there to be counted.
    entries = [] if sys._is_gil_enabled() else _entries.take_census()
    return {"modules": modules, "entries": [entry.as_dict() for entry in entries]}


def pytest_runtest_logreport(report: Any) -> None:
    """Take down one phase of one test; what went wrong outside its body counts as an error.

    Parts of a test (subTest) have reports of their own; there may be thousands, so only those that
    failed are taken down.
    """
    if hasattr(report, "context") and not report.failed:
        return
    if report.when == "call":
        add(_outcomes, report.nodeid, report.outcome)
    elif report.failed:
        add(_outcomes, f"{report.nodeid} ({report.when})", ERROR)
    elif report.skipped:
        add(_outcomes, report.nodeid, SKIPPED)


def pytest_collectreport(report: Any) -> None:
    """Take down a file that could not be collected."""
    if not report.passed:
        add(_outcomes, f"{report.nodeid} (collection)", report.outcome)


def pytest_sessionfinish(session: Any) -> None:
    """Write the record at the end of pytest's run."""
    write()


class Result(unittest.TextTestResult):
    """A unittest result that takes down each test."""

    def addSuccess(self, test: unittest.TestCase) -> None:
        """Take down a success."""
        super().addSuccess(test)
        add(_outcomes, test.id(), PASSED)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        """Take down a failure."""
        super().addFailure(test, err)
        add(_outcomes, test.id(), FAILED)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        """Take down an error."""
        super().addError(test, err)
        add(_outcomes, test.id(), ERROR)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """Take down a test that was skipped."""
        super().addSkip(test, reason)
        add(_outcomes, test.id(), SKIPPED)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        """Take down a part of a test that failed; the test itself is then no success."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            add(_outcomes, subtest.id(), FAILED)


def modules_of(name: str) -> list[str]:
    """Name the test modules of a package, or the module itself."""
    module = importlib.import_module(name)
    folders = getattr(module, "__path__", None)
    if folders is None:
        return [name]
    found = sorted(one.name for one in pkgutil.iter_modules(folders))
    return [f"{name}.{one}" for one in found if one.startswith("test_")]


def suite_of(name: str) -> unittest.TestSuite:
    """Load the tests of one module as its own `test_suite()` says, else as unittest finds them."""
    module = importlib.import_module(name)
    make = getattr(module, "test_suite", None)
    return make() if make else unittest.defaultTestLoader.loadTestsFromModule(module)


def main(names: list[str]) -> int:
    """Run the tests of the modules and packages in *names*."""
    left_out = {name.removeprefix("-") for name in names if name.startswith("-")}
    given = [name for name in names if not name.startswith("-")]
    modules = [one for name in given for one in modules_of(name) if one not in left_out]
    suite = unittest.TestSuite(suite_of(name) for name in modules)
    unittest.TextTestRunner(resultclass=Result).run(suite)
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
