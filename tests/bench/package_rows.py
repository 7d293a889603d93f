"""Real packages: with the guard and without, alone and beside pure Python."""

import sys
from collections.abc import Iterator

from children import GUARDED, STOCK, UNGUARDED, Worker, workers
from measure import Comparison, compare
from rows import ratio_row, throughput_row

# What is measured, and how much slower the guard may make it.
WORK = {
    "lxml": ("lxml, parse and XPath", "<= 1.03"),
    "PyYAML": ("PyYAML, load by the C parser", "<= 1.03"),
    "gmpy2-sums": ("gmpy2, sums of small numbers", "<= 1.15"),
    "gmpy2-lucas-lehmer": ("gmpy2, Lucas-Lehmer test of 2**1279 - 1", "<= 1.15"),
}
SECONDS = 0.1  # of one thread, for one measurement
PROCESSES = 3  # of either side, since the same program is not equally fast in each process


class Side:
    """One worker, with the state in which its GIL has to be."""

    def __init__(self, work: str, expected_gil: bool, environment: dict[str, str]) -> None:
        self.worker = Worker("package_work.py", work, **environment)
        self._expected_gil = expected_gil

    def seconds(self, threads: int, rounds: int, package: bool, python: int) -> float:
        seconds, gil = self.worker.ask(threads, rounds, package, python)
        if gil != self._expected_gil:
            sys.exit("package_work.py ran with the GIL in the wrong state")
        return seconds


def calibrated(side: Side) -> tuple[int, int]:
    """How often the work is done in SECONDS, and how many steps of Python last as long as once."""
    job = min(side.seconds(1, 20, True, 0) for _ in range(3)) / 20
    step = min(side.seconds(1, 1, False, 1_000_000) for _ in range(3)) / 1e6
    return max(1, round(SECONDS / job)), round(job / step)


def measured(work: str, rounds: int) -> tuple[Comparison, Comparison]:
    guarded = Side(work, False, GUARDED)
    unguarded = Side(work, False, UNGUARDED)
    stock = Side(work, True, STOCK)
    with workers(guarded.worker, unguarded.worker, stock.worker):
        times, steps = calibrated(unguarded)
        alone = compare(
            lambda: guarded.seconds(1, times, True, 0),
            lambda: unguarded.seconds(1, times, True, 0),
            rounds,
        )
        together = compare(
            lambda: guarded.seconds(2, times, True, steps),
            lambda: stock.seconds(2, times, True, steps),
            rounds,
        )
    return alone, together


def rows(rounds: int) -> Iterator[str]:
    in_threads = []
    for work, (name, target) in WORK.items():
        processes = [measured(work, rounds) for _ in range(PROCESSES)]
        alone, together = (Comparison(sum((c.pairs for c in side), [])) for side in zip(*processes))
        yield ratio_row(
            f"{name}, 1 thread: guarded / unguarded (`PYTHON_GIL=0`)", alone, target, "ms"
        )
        in_threads.append(
            throughput_row(
                f"{name}, 2 threads, half of it pure Python: guarded / stock CPython, where the "
                "import turned the GIL on, throughput",
                together,
                ">= 1.3",
                "ms",
            )
        )
    yield from in_threads
