"""Run some of CPython's own tests without pythonnogil and with it, and compare test by test.

The reference is a fresh virtual environment of the same interpreter, in which pythonnogil is not
installed. Then the same tests run where it is, in its default mode; test_embed has two interpreters
of its own. With a policy that distrusts
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
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compare"))

import embedding  # noqa: E402  after the line above, like all of ours
from outcomes import PASSED, Difference, Outcomes, differences, from_junit  # noqa: E402
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


def run(
    python: Path, test: str, log: Path, left_out: list[str], settings: dict[str, str], limit: float
) -> Outcomes:
    """Run one of CPython's test files but for some tests; what became of each test in it."""
    results = log.with_suffix(".xml")
    results.unlink(missing_ok=True)
    ignored = [word for pattern in left_out for word in ("--ignore", pattern)]
    options = ["--junit-xml", results, "--tempdir", log.parent, *ignored, "-v"]
    words = [python, "-m", "test", *options, test]
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
            child.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise RunError(f"still running after {limit:.0f} s; see {log}") from None
    if not results.exists():
        raise RunError(f"ended with {child.returncode} and left no results; see {log}")
    return from_junit(results)


@dataclass(frozen=True)
class Expected:
    """A difference that is expected, or a test that cannot be run guarded at all."""

    test: str
    reason: str
    guarded: bool = False
    left_out: bool = False


def expected(guarded: bool) -> list[Expected]:
    """Read which tests may differ where CPython's extensions are *guarded*, or are not."""
    entries = tomllib.loads((HERE / "expected.toml").read_text())["difference"]
    known = [Expected(**entry) for entry in entries]
    return [one for one in known if guarded or not one.guarded]


def unexplained(found: list[Difference], known: list[Expected]) -> list[Difference]:
    """Leave out the differences that are expected."""
    return [one for one in found if not any(fnmatch.fnmatch(one.test, each.test) for each in known)]


class Comparison:
    """Runs tests in both environments and reports what differs."""

    def __init__(self, options: argparse.Namespace, report: Report) -> None:
        """Compare as the command line says, and leave results in *report*."""
        self._logs: Path = options.logs
        self._sources: Path | None = options.sources
        self._limit: float = LIMIT * options.patience
        self._report = report
        self._pairs: dict[str, tuple[Path, Path]] = {}
        self._references: dict[str, Outcomes] = {}

    def _pair(self, test: str) -> tuple[Path, Path]:
        """Return the interpreter without pythonnogil for *test*, and the one with it."""
        kind = test if test == "test_embed" else ""
        if kind not in self._pairs:
            if kind:
                pair = embedding.interpreters(self._logs / "embedding", self._sources)
            else:
                pair = (interpreter_without(self._logs / "without"), Path(sys.executable))
            self._pairs[kind] = pair
        return self._pairs[kind]

    def _without(self, test: str) -> Outcomes:
        if test not in self._references:
            log = self._logs / f"{test}-without.log"
            self._references[test] = run(self._pair(test)[0], test, log, [], {}, self._limit)
        return self._references[test]

    def compare(self, test: str, kind: str, **settings: str) -> None:
        """Compare one test file; *settings* are added to the environment of the guarded run."""
        print(f"{test}, {kind} ...", flush=True)
        row = Row(test, kind)
        known = expected(bool(settings))
        started = time.monotonic()
        troubles: list[str] = []
        try:
            reference = self._without(test)
            log = self._logs / f"{test}-{kind.replace(' ', '-')}.log"
            left_out = [one.test for one in known if one.left_out]
            python = self._pair(test)[1]
            guarded = run(python, test, log, left_out, settings, self._limit)
            found = unexplained(differences(reference, guarded), known)
            troubles = [str(one) for one in found]
            row.tests, row.passed = len(reference), list(reference.values()).count(PASSED)
            if not row.passed:
                troubles.append("no test passed, so there is nothing to compare")
        except embedding.MissingSources as error:
            self._report.skip(row, str(error))
            return
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
    parser.add_argument(
        "--patience", type=float, default=1.0, help="factor of all time limits (default: 1)"
    )
    parser.add_argument("--sources", type=Path, help="where the source tarball of CPython is")
    parser.add_argument("--junit", type=Path, help="write the result in JUnit format")
    return parser.parse_args()


def main() -> int:
    """Compare the tests that were asked for."""
    options = arguments()
    options.logs = options.logs.absolute()
    options.logs.mkdir(parents=True, exist_ok=True)
    report = Report("tests of CPython")
    comparison = Comparison(options, report)
    for test in TESTS:
        if not options.names or test in options.names:
            comparison.compare(test, "as they are")
    if distrusts_on_request():
        for test in TESTS_OF_EXTENSIONS:
            if not options.names or test in options.names:
                policy = str(DISTRUSTED)
                comparison.compare(test, "extensions guarded", PYTHONNOGIL_POLICY=policy)
    else:
        row = Row("extensions of CPython's tests", "extensions guarded")
        report.add(row, 0, 1, [f"{DISTRUSTED.name} does not make pythonnogil guard them"])
    print(report.table())
    (options.logs / "table.md").write_text(f"{report.table()}\n")
    if options.junit:
        report.write(options.junit)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
