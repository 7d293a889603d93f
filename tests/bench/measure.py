"""Timing that holds on a noisy machine: two things in one run, interleaved, with their spread."""

import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median and the first and the third quartile of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        low, median, high = statistics.quantiles(values, n=4)
        return cls(median, low, high)


@dataclass(frozen=True)
class Comparison:
    """What the rounds of one comparison measured of either side, in seconds."""

    pairs: list[tuple[float, float]]

    @property
    def left(self) -> float:
        return statistics.median(left for left, _ in self.pairs)

    @property
    def right(self) -> float:
        return statistics.median(right for _, right in self.pairs)

    def ratio(self) -> Spread:
        return Spread.of(left / right for left, right in self.pairs)

    def throughput(self, threads: int = 1) -> Spread:
        """How much more the left side got done, if each thread of it did the work of the right."""
        return Spread.of(threads * right / left for left, right in self.pairs)

    def added(self, scale: float = 1.0) -> Spread:
        return Spread.of((left - right) * scale for left, right in self.pairs)


def compare(left: Callable[[], float], right: Callable[[], float], rounds: int) -> Comparison:
    """Measure both sides in turn, swapping which goes first."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = right()
            first = left()
        else:
            first = left()
            second = right()
        pairs.append((first, second))
    return Comparison(pairs)


def seconds_per_call(function: Callable[..., object], *arguments: object, calls: int) -> float:
    """Wall seconds of one call, the loop's own cost included on both sides of a comparison."""
    rounds = range(calls)
    start = time.perf_counter()
    for _ in rounds:
        function(*arguments)
    return (time.perf_counter() - start) / calls


def seconds_of_threads(count: int, prepare: Callable[[], Callable[[], object]]) -> float:
    """Wall seconds from the first thread's start to the last one's end.

    Each thread prepares what it calls by itself: two threads that count references to the same
    object would get in each other's way.
    """
    barrier = threading.Barrier(count)
    times: list[tuple[float, float]] = []

    def body() -> None:
        job = prepare()
        barrier.wait()
        start = time.perf_counter()
        job()
        times.append((start, time.perf_counter()))

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(times) < count:
        raise RuntimeError("a measured thread failed")
    return max(end for _, end in times) - min(start for start, _ in times)


@contextmanager
def second_thread() -> Iterator[None]:
    """Keep another thread alive.

    With a single one, the C library leaves out atomic instructions.
    """
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
