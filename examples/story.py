"""The story: legacy extensions used from several threads, with and without the GIL and the guard.

Runs each workload as a child process under stock CPython, with the GIL forced off, and in the modes
of pythonnogil, and prints what came of it. Exit code 0: all guarded runs were right with the GIL
off; 1: they were not; 2: something that the story needs is missing.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from harness import chart, requirements, text
from harness.configurations import EVERY, FORCED_OFF, GUARDED, STOCK
from harness.result import Result, Runs, Workload
from harness.trial import forbid_core_files, run_trial
from mime_catalogue import DATABASE
from template_cache.build import BuildError, build

EXAMPLES = Path(__file__).resolve().parent


def first_part() -> list[Workload]:
    """Return the workload of the extension that is made for the story."""
    return [
        Workload(
            script="mailing.py",
            package="letter_template",
            origin="examples/template_cache",
            story="4 threads expand shared templates, which are parsed on first use",
            configurations=(STOCK, FORCED_OFF, GUARDED),
        )
    ]


def second_part(versions: dict[str, str]) -> list[Workload]:
    """Return the workloads of the real packages."""
    return [
        Workload(
            script="prime_search.py",
            package=f"gmpy2 {versions['gmpy2']}",
            origin="hand-written C",
            story="2 threads look for Mersenne primes, 2 run pure Python",
            configurations=EVERY,
        ),
        Workload(
            script="mime_catalogue.py",
            package=f"lxml {versions['lxml']}",
            origin="Cython",
            story="2 threads look things up in one shared XML tree, 2 run pure Python",
            configurations=EVERY,
        ),
    ]


def run_rounds(workloads: list[Workload], rounds: int, folder: Path, limit: float) -> list[Result]:
    """Run everything `rounds` times, interleaved, so that a busy moment harms all alike."""
    results = [
        Result(workload, [Runs(configuration) for configuration in workload.configurations])
        for workload in workloads
    ]
    for number in range(1, rounds + 1):
        for result in results:
            for runs in result.runs:
                head = f"  round {number} of {rounds}, {result.workload.package}"
                print(f"{head}, {runs.configuration.name}: ", end="", flush=True)
                script = EXAMPLES / result.workload.script
                trial = run_trial(script, runs.configuration, folder, limit)
                runs.trials.append(trial)
                seconds = "" if trial.seconds is None else f", {trial.seconds:.2f} s"
                print(f"{trial.outcome}{seconds}", flush=True)
    return results


def tell(workloads: list[Workload], options: argparse.Namespace, folder: Path) -> list[Result]:
    """Run one part of the story and print its tables."""
    results = run_rounds(workloads, options.rounds, folder, options.time_limit)
    for result in results:
        print(f"\n{text.table(result)}")
    print(f"\n{text.conclusion(results)}\n")
    return results


def machine() -> str:
    """Name the interpreter and the machine, as far as the figures depend on them."""
    cores = len(os.sched_getaffinity(0))
    version = platform.python_version()
    return f"CPython {version} free-threaded, {platform.machine()}, {cores} cores"


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default: 3)")
    parser.add_argument("--quick", action="store_true", help="the same as --rounds 1")
    parser.add_argument("--svg", type=Path, metavar="PATH", help="write the chart to this file")
    parser.add_argument(
        "--time-limit", type=float, default=30, metavar="SECONDS", help="per run (default: 30)"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.svg and not options.svg.parent.is_dir():
        parser.error(f"--svg: there is no folder {options.svg.parent}")
    return options


def tell_all(options: argparse.Namespace, versions: dict[str, str]) -> list[Result]:
    """Build the extension and tell both parts of the story; return all results."""
    with tempfile.TemporaryDirectory(prefix="pythonnogil-story-") as folder:
        build(Path(folder))
        print(f"{machine()}, pythonnogil {versions['pythonnogil']}\n")
        print("Part 1: an extension that caches without a lock, used from 4 threads")
        first = tell(first_part(), options, Path(folder))
        print("Part 2: real packages, unmodified, while other threads run pure Python")
        second = tell(second_part(versions), options, Path(folder))
    if options.svg:
        runs = "one run" if options.rounds == 1 else f"the median of {options.rounds} runs"
        footer = f"{machine()}; {runs} of each"
        options.svg.write_text(chart.draw(second, footer), encoding="utf-8")
        print(f"The chart is in {options.svg}.")
    return first + second


def main() -> int:
    """Tell the story; return the exit code."""
    options = parse_options()
    forbid_core_files()
    try:
        results = tell_all(options, requirements.check(DATABASE))
    except (requirements.Missing, BuildError) as error:
        print(f"story: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstory: interrupted", file=sys.stderr)
        return 130
    guarded = [result.of(GUARDED) for result in results]
    return 0 if all(runs.all_right and runs.gil_off for runs in guarded) else 1


if __name__ == "__main__":
    sys.exit(main())
