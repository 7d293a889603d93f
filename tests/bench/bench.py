"""The benchmark table of pythonnogil: each figure is a ratio of two things measured in turn in one run.

Run by tests/bench/run. Exit code 0: everything was measured; whether a target was met is for the reader.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measure import Ratio, compare

HERE = Path(__file__).parent


def run(program: str, *arguments: str, **environment: str) -> str:
    """The output of a child, Python for the most part; its failure is ours."""
    child = subprocess.run(
        [program, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if child.returncode:
        sys.exit(f"{' '.join(child.args)} failed:\n{child.stdout}{child.stderr}")
    return child.stdout


def threads(expected_gil: str, **environment: str) -> float:
    seconds, gil = run(sys.executable, str(HERE / "python_threads.py"), **environment).split()
    if gil != expected_gil:
        sys.exit(f"python_threads.py ran with the GIL in the wrong state: {gil} with {environment}")
    return float(seconds)


def guarded_threads() -> float:
    return threads("0", PYTHONNOGIL_MODE="gil")


def unguarded_threads() -> float:
    return threads("0", PYTHONNOGIL_MODE="off", PYTHON_GIL="0")


def stock_threads() -> float:
    return threads("1", PYTHONNOGIL_MODE="off", PYTHONWARNINGS="ignore")


def import_seconds(mode: str, module: str, *before: str) -> float:
    arguments = [str(HERE / "timed_import.py"), module, *before]
    return float(run(sys.executable, *arguments, PYTHONNOGIL_MODE=mode, PYTHONWARNINGS="ignore"))


def start_up_seconds(python: str, starts: int = 10) -> float:
    begin = time.perf_counter()
    for _ in range(starts):
        run(python, "-c", "pass", PYTHONNOGIL_MODE="")
    return (time.perf_counter() - begin) / starts


def bare_environment(folder: Path, with_hook: bool) -> str:
    """The Python of a new virtual environment with nothing in it, or with our package alone."""
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = str(folder / "bin" / "python")
    if with_hook:
        installed = Path(run(sys.executable, "-c", "import pythonnogil; print(pythonnogil.__path__[0])").strip())
        site = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])").strip())
        shutil.copytree(installed, site / "pythonnogil")
        for start_up in installed.parent.glob("pythonnogil.*t*"):
            if start_up.is_file():
                shutil.copy(start_up, site)
        # As an installer does: without, a process that may not write byte code compiles it at each start.
        run(python, "-m", "compileall", "-q", str(site / "pythonnogil"))
        run(python, "-c", "import sys; assert 'pythonnogil' in sys.modules, 'the hook did not start'")
    return python


def with_thread_ratio(seconds: Ratio) -> Ratio:
    """Throughput is the inverse of the seconds."""
    return Ratio(tuple(1 / ratio for ratio in seconds.ratios), seconds.left, seconds.right)


def line(name: str, median: float, spread: Sequence[float], target: str, detail: str) -> str:
    low, high = spread
    return f"| {name} | {median:.2f} | {low:.2f} to {high:.2f} | {target} | {detail} |"


def nanoseconds(figure: dict) -> str:
    return f"{figure['left'] * 1e9:.0f} / {figure['right'] * 1e9:.0f} ns"


def in_process_lines(rounds: int) -> list[str]:
    figures = json.loads(run(sys.executable, str(HERE / "in_process.py"), str(rounds), PYTHONNOGIL_MODE="gil"))

    def call_line(key: str, name: str, target: str) -> str:
        figure = figures[key]
        return line(name, figure["median"], figure["spread"], target, nanoseconds(figure))

    levels = figures["levels"]
    added = (levels["left"] - levels["right"]) * 1e9
    return [
        call_line("empty", "guarded call of an empty `METH_FASTCALL` function / plain call", "<= 1.6"),
        call_line("work", "guarded call of a function of 1 us or more / plain", "<= 1.03"),
        call_line("things", "making and freeing an object of a legacy type / of a declared one", ""),
        call_line("borrowed", "1,000 borrowed list items, guarded / plain", ""),
        f"| re-entry through a Python callback, nanoseconds added per level | {added:.0f} | | <= 50 "
        f"| {nanoseconds(levels)} |",
    ]


def ratio_line(name: str, ratio: Ratio, target: str) -> str:
    detail = f"{ratio.left * 1e3:.2f} / {ratio.right * 1e3:.2f} ms"
    return line(name, ratio.median, ratio.spread, target, detail)


def process_lines(rounds: int) -> list[str]:
    lines = [
        ratio_line(
            "two pure-Python threads with a guarded module loaded / the same under `PYTHON_GIL=0` without us, throughput",
            with_thread_ratio(compare(guarded_threads, unguarded_threads, rounds)),
            ">= 0.97",
        ),
        ratio_line(
            "the same / stock CPython, where the import turned the GIL on, throughput",
            with_thread_ratio(compare(guarded_threads, stock_threads, rounds)),
            ">= 1.8",
        ),
    ]
    with tempfile.TemporaryDirectory() as folder:
        hooked = bare_environment(Path(folder, "hooked"), with_hook=True)
        bare = bare_environment(Path(folder, "bare"), with_hook=False)
        ratio = compare(lambda: start_up_seconds(hooked), lambda: start_up_seconds(bare), rounds * 3)
    lines.append(ratio_line("start-up with the hook and no legacy module / without the hook", ratio, "<= 1.05"))
    return lines + import_lines(rounds * 2)


def import_lines(rounds: int) -> list[str]:
    """Imports of small modules, where what does not depend on their size shows most.

    CPython turns the GIL on and off again around every init function when the GIL is off, so a
    declared module is the floor: a stock process whose GIL came on for good is spared that.
    """
    cases = (
        ("first import of a legacy module, guarded / stock", ["legacy_calls"], ["legacy_calls"], "<= 1.0"),
        (
            "further import of a legacy module, guarded / stock, where the GIL is on by then",
            ["static_counter", "legacy_calls"],
            ["static_counter", "legacy_calls"],
            "<= 1.0",
        ),
        (
            "further import of a legacy module, guarded / stock import of a declared one, GIL off",
            ["legacy_calls", "static_counter"],
            ["declared_calls", "declared"],
            "",
        ),
    )
    return [
        ratio_line(
            name,
            compare(lambda: import_seconds("gil", *left), lambda: import_seconds("off", *right), rounds),
            target,
        )
        for name, left, right, target in cases
    ]


def lock_lines(rounds: int, seconds: int) -> list[str]:
    """The lock alone, by a native program that tests/bench/run builds."""
    program = os.environ.get("PYTHONNOGIL_BENCH_LOCK")
    if program is None:
        sys.exit("bench.py: PYTHONNOGIL_BENCH_LOCK does not name the program bench_lock; tests/bench/run sets it")
    figures = json.loads(run(program, str(rounds), str(seconds)))

    def ratio(key: str, name: str, target: str) -> str:
        figure = figures[key]
        detail = f"{figure['left'] * 1e9:.1f} / {figure['right'] * 1e9:.1f} ns"
        return line(name, figure["median"], figure["spread"], target, detail)

    def value(key: str, name: str, unit: float, target: str) -> str:
        figure = figures[key]
        return line(name, figure["median"] * unit, [edge * unit for edge in figure["spread"]], target, "")

    starvation = figures["starvation"]
    return [
        ratio("shared_std", "shared lock and unlock, 1 thread / `std::shared_mutex`", "<= 0.25"),
        ratio("shared_boost", "shared lock and unlock, 1 thread / `boost::shared_mutex`", "<= 0.05"),
        ratio("shared_boost_of_two", "shared lock and unlock, 2 threads / `boost::shared_mutex`", "<= 0.01"),
        ratio("shared_of_two", "shared lock and unlock, 2 threads / 1 thread, each", "<= 1.1"),
        ratio("exclusive_std", "exclusive lock and unlock, uncontended / `std::shared_mutex`", ""),
        ratio("revocation", "first exclusive lock after readers / one `membarrier`, another thread running", "<= 1.5"),
        value("recursion", "exclusive lock and unlock inside exclusive, nanoseconds per level", 1e9, "<= 3"),
        value("wait", "wait for the exclusive lock behind holds of 50 us, microseconds", 1e6, "<= 200"),
        f"| 8 threads want the exclusive lock for {seconds} s, slowest / fastest, throughput "
        f"| {starvation['median']:.2f} | | >= 0.5 | {starvation['left']:.0f} / {starvation['right']:.0f} per s |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each comparison (default 9)")
    parser.add_argument("--starvation", type=int, default=5, metavar="SECONDS", help="of that figure (default 5)")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    if rounds < 2:
        parser.error("--rounds: at least 2, or there is no spread to show")
    if arguments.starvation < 1:
        parser.error("--starvation: at least 1 second")
    print("| figure | median | quartiles | target | both sides |")
    print("|---|---|---|---|---|")
    for text in lock_lines(rounds, arguments.starvation):
        print(text, flush=True)
    for lines in (in_process_lines, process_lines):
        for text in lines(rounds):
            print(text, flush=True)


if __name__ == "__main__":
    main()
