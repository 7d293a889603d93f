"""Run some of CPython's own tests without pythonnogil and with it, and compare test by test.

The reference is a fresh virtual environment of the same interpreter, in which pythonnogil is not
installed. Then the same tests run where it is, in its default mode. With a policy that distrusts
them, CPython's own test extensions, which all declare themselves safe, run guarded as well. Each
test must come out the same, but for the differences that expected.toml explains. Exit code 0 when
all do.
"""

import argparse
import fnmatch
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compare"))

from outcomes import Difference, Outcomes, differences, from_junit  # noqa: E402
from report import Report, Row  # noqa: E402

TESTS = [
    "test_import",
    "test_importlib",
    "test_capi",
    "test_threading",
    "test_free_threading",
    "test_gc",
    "test_weakref",
    "test_descr",
    "test_pickle",
    "test_fork1",
    "test_multiprocessing_spawn",
    "test_embed",
]
# Those that use the extensions which distrusted.toml names.
TESTS_OF_EXTENSIONS = [
    "test_import",
    "test_importlib",
    "test_capi",
    "test_buffer",
    "test_ctypes",
    "test_gc",
    "test_descr",
    "test_threading",
    "test_xxlimited",
    "test_xxtestfuzz",
]
DISTRUSTED = HERE / "distrusted.toml"
PROBE = """
import _testcapi, pythonnogil
print(*(one["verdict"] for one in pythonnogil.modules() if one["name"] == "_testcapi"))
"""
LIMIT = 900.0


class RunError(Exception):
    """A run that left no results."""


def interpreter_without(folder: Path) -> Path:
    """Make a virtual environment in which pythonnogil is not installed; its interpreter."""
    base = Path(sys._base_executable)
    options = ["--without-pip", "--clear"]
    subprocess.run([base, "-I", "-m", "venv", *options, folder], check=True, timeout=LIMIT)
    return folder / "bin" / "python"


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a run: none of the caller's settings of Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, **settings}


def run(python: Path, test: str, log: Path, **settings: str) -> Outcomes:
    """Run one of CPython's test files; what became of each test in it."""
    results = log.with_suffix(".xml")
    results.unlink(missing_ok=True)
    words = [python, "-m", "test", "--junit-xml", results, "--tempdir", log.parent, "-v", test]
    with log.open("wb") as output:
        child = subprocess.Popen(
            words,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            child.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise RunError(f"still running after {LIMIT:.0f} s; see {log}") from None
    if not results.exists():
        raise RunError(f"ended with {child.returncode} and left no results; see {log}")
    return from_junit(results)


def expected() -> dict[str, str]:
    """Read which tests may differ, as patterns, and why."""
    entries = tomllib.loads((HERE / "expected.toml").read_text()).get("difference", [])
    return {entry["test"]: entry["reason"] for entry in entries}


def unexplained(found: list[Difference], distrusting: bool) -> list[Difference]:
    """Leave out the differences that are expected; only distrusted extensions may have any."""
    patterns = expected() if distrusting else {}
    return [
        one for one in found if not any(fnmatch.fnmatch(one.test, pattern) for pattern in patterns)
    ]


class Comparison:
    """Runs tests in both environments and reports what differs."""

    def __init__(self, logs: Path, report: Report) -> None:
        """Leave output in *logs* and results in *report*."""
        self._logs = logs
        self._report = report
        self._reference = interpreter_without(logs / "without")
        self._references: dict[str, Outcomes] = {}

    def _without(self, test: str) -> Outcomes:
        if test not in self._references:
            log = self._logs / f"{test}-without.log"
            self._references[test] = run(self._reference, test, log)
        return self._references[test]

    def compare(self, test: str, kind: str, **settings: str) -> None:
        """Compare one test file; *settings* are added to the environment of the guarded run."""
        print(f"{test}, {kind} ...", flush=True)
        row = Row(test, kind)
        started = time.monotonic()
        troubles: list[str] = []
        try:
            reference = self._without(test)
            log = self._logs / f"{test}-{kind.replace(' ', '-')}.log"
            found = differences(reference, run(Path(sys.executable), test, log, **settings))
            troubles = [str(one) for one in unexplained(found, bool(settings))]
            row.tests, row.passed = len(reference), list(reference.values()).count("passed")
        except RunError as error:
            troubles = [str(error)]
        row.seconds = time.monotonic() - started
        self._report.add(row, int(not troubles), 1, troubles)


def distrusts_on_request() -> bool:
    """Whether a policy file makes the installed pythonnogil guard declared extensions."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=environment(PYTHONNOGIL_POLICY=str(DISTRUSTED)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip() == "legacy"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests/cpython", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TEST", help="only these test files")
    parser.add_argument("--logs", type=Path, default=Path("build/cpython"), help="for the output")
    parser.add_argument("--junit", type=Path, help="write the result in JUnit format")
    return parser.parse_args()


def main() -> int:
    """Compare the tests that were asked for."""
    options = arguments()
    logs = options.logs.absolute()
    logs.mkdir(parents=True, exist_ok=True)
    report = Report("tests of CPython")
    comparison = Comparison(logs, report)
    for test in TESTS:
        if not options.names or test in options.names:
            comparison.compare(test, "as they are")
    if distrusts_on_request():
        for test in TESTS_OF_EXTENSIONS:
            if not options.names or test in options.names:
                policy = str(DISTRUSTED)
                comparison.compare(test, "extensions guarded", PYTHONNOGIL_POLICY=policy)
    else:
        reason = "this build of pythonnogil trusts what declares itself, whatever a policy says"
        report.skip(Row("extensions of CPython's tests", "extensions guarded"), reason)
    print(report.table())
    (logs / "table.md").write_text(f"{report.table()}\n")
    if options.junit:
        report.write(options.junit)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
