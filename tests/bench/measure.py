"""Timing that holds on a noisy machine: ratios of two things in one run, interleaved, with their spread."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """The ratios of the rounds of one comparison, and a typical value of each side."""

    ratios: tuple[float, ...]
    left: float
    right: float

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and the third quartile."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return low, high


def compare(left: Callable[[], float], right: Callable[[], float], rounds: int) -> Ratio:
    """Measure both sides in turn, swapping which goes first, and compare them round by round."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = right()
            first = left()
        else:
            first = left()
            second = right()
        pairs.append((first, second))
    return Ratio(
        tuple(first / second for first, second in pairs),
        statistics.median(first for first, _ in pairs),
        statistics.median(second for _, second in pairs),
    )


def seconds_per_call(function: Callable[..., object], *arguments: object, calls: int) -> float:
    """Wall seconds of one call, the loop's own cost included on both sides of a comparison."""
    rounds = range(calls)
    start = time.perf_counter()
    for _ in rounds:
        function(*arguments)
    return (time.perf_counter() - start) / calls


@contextmanager
def second_thread() -> Iterator[None]:
    """Keep another thread alive: with a single one, the C library leaves out atomic instructions."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
