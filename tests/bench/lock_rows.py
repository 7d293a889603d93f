"""The lock: by itself, in a native program that tests/bench/run builds, and in the interpreter."""

import json
import os
import sys
from collections.abc import Iterator

from children import GUARDED, STOCK, run, run_script
from measure import Comparison, Spread, compare
from rows import added_row, ratio_row, row

SAMPLES = 60  # waits of one round


def native_rows(rounds: int, seconds: int) -> Iterator[str]:
    program = os.environ.get("PYTHONNOGIL_BENCH_LOCK")
    if program is None:
        sys.exit(
            "bench.py: PYTHONNOGIL_BENCH_LOCK does not name the program bench_lock; "
            "tests/bench/run sets it"
        )
    figures = json.loads(run(program, str(rounds), str(seconds)))

    def spread(figure: dict, unit: float = 1.0) -> Spread:
        low, high = figure["spread"]
        return Spread(figure["median"] * unit, low * unit, high * unit)

    def ratio(key: str, name: str, target: str) -> str:
        figure = figures[key]
        detail = f"{figure['left'] * 1e9:.1f} / {figure['right'] * 1e9:.1f} ns"
        return row(name, spread(figure), target, detail)

    def value(key: str, name: str, unit: float, target: str) -> str:
        return row(name, spread(figures[key], unit), target, "")

    yield ratio("shared_std", "shared lock and unlock, 1 thread / `std::shared_mutex`", "<= 0.25")
    yield ratio(
        "shared_boost", "shared lock and unlock, 1 thread / `boost::shared_mutex`", "<= 0.05"
    )
    yield ratio(
        "shared_boost_of_two",
        "shared lock and unlock, 2 threads / `boost::shared_mutex`",
        "<= 0.01",
    )
    yield ratio("shared_of_two", "shared lock and unlock, 2 threads / 1 thread, each", "<= 1.1")
    yield ratio(
        "exclusive_std", "exclusive lock and unlock, uncontended / `std::shared_mutex`", ""
    )
    yield ratio(
        "revocation",
        "first exclusive lock after readers / one `membarrier`, another thread running",
        "<= 1.5",
    )
    yield value(
        "recursion",
        "exclusive lock and unlock inside exclusive, nanoseconds per level",
        1e9,
        "<= 3",
    )
    yield value(
        "wait",
        "wait for the exclusive lock behind holds of 50 us, microseconds",
        1e6,
        "<= 200",
    )
    starvation = figures["starvation"]
    yield (
        f"| 8 threads want the exclusive lock for {seconds} s, slowest / fastest, throughput "
        f"| {starvation['median']:.2f} | | >= 0.5 "
        f"| {starvation['left']:.0f} / {starvation['right']:.0f} per s |"
    )


def median_wait(expected_gil: str, environment: dict[str, str]) -> float:
    seconds, gil = run_script("waits.py", str(SAMPLES), **environment).split()
    if gil != expected_gil:
        sys.exit(f"waits.py ran with the GIL in the wrong state: {gil} with {environment}")
    return float(seconds)


def rows(rounds: int, starvation_seconds: int) -> Iterator[str]:
    yield from native_rows(rounds, starvation_seconds)
    holds = json.loads(run_script("holds.py", str(rounds), **GUARDED))
    yield ratio_row(
        "the guard's exclusive hold, taken and left, uncontended / `PyCriticalSection`",
        Comparison(holds["section"]),
        "<= 1.25",
        "ns",
    )
    yield added_row(
        "the same with the time read before and after, nanoseconds added",
        Comparison(holds["timed"]),
        "",
    )
    waits = compare(lambda: median_wait("0", GUARDED), lambda: median_wait("1", STOCK), rounds)
    yield ratio_row(
        "median wait of a legacy call behind others of 50 us, guarded / stock CPython, where the "
        "import turned the GIL on",
        waits,
        "<= 0.04",
        "us",
    )
