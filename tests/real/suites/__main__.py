"""Run the own test suites of real packages with the GIL and guarded, and compare test by test.

Each package is built from its source distribution once. Its tests then run once with the GIL and
without pythonnogil, which is the reference, and N times guarded with the GIL off; every test must
come out the same. After its tests, no function pointer of a package that CPython holds may be
unguarded and need a guard. What `scan` says of each extension must be what importing it does. Exit
code 0 when all this is so.
"""

import argparse
import shutil
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "compare"), str(TESTS / "integration")]

import building  # noqa: E402  after the line above, through which it is found
import catalogue  # noqa: E402
import postgresql  # noqa: E402
import running  # noqa: E402
import scan_truth  # noqa: E402
from catalogue import Suite  # noqa: E402
from outcomes import PASSED, differences  # noqa: E402
from report import Report, Row  # noqa: E402

SHOWN = 20


@dataclass
class Judgement:
    """What is known about one suite."""

    tests: int = 0
    passed: int = 0
    same: int = 0
    troubles: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)


def judge(suite: Suite, built: building.Built, options: argparse.Namespace) -> Judgement:
    """Run *suite* with the GIL and several times guarded, and compare."""
    judgement = Judgement()
    logs, patience = options.logs, options.patience
    try:
        log = logs / f"{suite.package}-with-gil.log"
        reference = running.run(suite, built, running.WITH_GIL, log, patience)
        running.check_reference(reference)
    except running.RunError as error:
        judgement.troubles.append(f"with the GIL: {error}")
        return judgement
    judgement.tests = len(reference.outcomes)
    judgement.passed = list(reference.outcomes.values()).count(PASSED)
    for number in range(1, options.rounds + 1):
        log = logs / f"{suite.package}-guarded-{number}.log"
        try:
            guarded = running.run(suite, built, running.GUARDED, log, patience)
            entries = [guarded.entries_that_are(one, suite.unguarded) for one in running.ENTRIES]
            judgement.entries = [f"{len(kind):,}" for kind in entries]
            running.check_guard(suite, guarded)
        except running.RunError as error:
            judgement.troubles.append(f"guarded run {number}: {error}")
            continue
        found = differences(reference.outcomes, guarded.outcomes)
        judgement.same += not found
        judgement.troubles += [f"guarded run {number}: {one}" for one in found[:SHOWN]]
    return judgement


def misjudged(built: building.Built) -> list[str]:
    """Name the extensions of which scan does not say what importing them does."""
    files = scan_truth.static_verdicts(built.site)
    truth = scan_truth.imported(files, built.site, [built.site, *built.used])
    return scan_truth.disagreements(files, truth)


def judge_with_server(suite: Suite, built: building.Built, options: argparse.Namespace) -> Judgement:
    """Judge *suite* while a server runs, if it needs one."""
    try:
        with postgresql.server() if suite.postgresql else nullcontext("") as server:
            return judge(suite, replace(built, server=server), options)
    except postgresql.ServerError as error:
        return Judgement(troubles=[f"there is no PostgreSQL server: {error}"])


def missing_program(suite: Suite) -> str | None:
    """Name a program that *suite* needs and that is not there."""
    if suite.postgresql and postgresql.programs() is None:
        return "PostgreSQL server"
    return next((name for name in suite.needs if shutil.which(name) is None), None)


def prove(suite: Suite, options: argparse.Namespace, report: Report) -> None:
    """Build and judge one suite, and put what came out into the report."""
    row = Row(f"{suite.package} {suite.version}", suite.technology)
    missing = missing_program(suite)
    if missing:
        report.skip(row, f"there is no {missing}")
        return
    print(f"{suite.package} {suite.version} ...", flush=True)
    started = time.monotonic()
    try:
        built = building.build(suite, options.cache, options.logs)
    except building.BuildError as error:
        report.add(row, 0, options.rounds, [f"it could not be built: {error}"])
        return
    judgement = judge_with_server(suite, built, options)
    judgement.troubles += misjudged(built)
    row.tests, row.passed, row.further = judgement.tests, judgement.passed, judgement.entries
    row.seconds = time.monotonic() - started
    report.add(row, judgement.same, options.rounds, judgement.troubles)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests/real/suites", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PACKAGE", help="only these packages")
    parser.add_argument("--rounds", type=int, default=1, help="guarded runs of each (default: 1)")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="factor of all time limits (default: 1)"
    )
    parser.add_argument("--cache", type=Path, required=True, help="where built packages are kept")
    parser.add_argument("--logs", type=Path, default=Path("build/suites"), help="for the output")
    parser.add_argument("--junit", type=Path, help="write the result in JUnit format")
    return parser.parse_args()


def main() -> int:
    """Prove the suites that were asked for."""
    options = arguments()
    options.logs = options.logs.absolute()
    options.logs.mkdir(parents=True, exist_ok=True)
    suites = catalogue.read()
    unknown = set(options.names) - {suite.package for suite in suites}
    if unknown:
        print(f"error: suites.toml has no package {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    report = Report(
        "own tests of real packages", [f"entries {status}" for status in running.ENTRIES]
    )
    for suite in suites:
        if not options.names or suite.package in options.names:
            prove(suite, options, report)
    print(report.table())
    (options.logs / "table.md").write_text(f"{report.table()}\n")
    if options.junit:
        report.write(options.junit)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
