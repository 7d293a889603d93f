"""Runs one piece of work in several threads and tells how often it went wrong.

Without the guard a real package answers with wrong results, exceptions, a crash, or an exit of its
own. The first two are counted; for the last two the line BEGUN tells the tests that the script had
come as far as the package's work, so that its ending says something about the package.
"""

import itertools
import sys
from collections.abc import Callable, Iterator

import stage

BEGUN = "the threads begin"
SECONDS = 1.0

_exceptions: list[str] = []


def rounds() -> Iterator[int]:
    """Count up from zero for SECONDS."""
    span = stage.Span(SECONDS)
    return itertools.takewhile(lambda _: bool(span), itertools.count())


def wrong(work: Callable[[int], int], threads: int = stage.THREADS) -> int:
    """Call *work* with the number of the thread in each; the sum of what they found wrong.

    An exception counts as one, and `report` names it.
    """

    def run(number: int) -> int:
        try:
            return work(number)
        except Exception as error:
            _exceptions.append(f"{type(error).__name__}: {error}")
            return 1

    print(BEGUN, file=sys.stderr, flush=True)
    return sum(stage.together(*[lambda number=number: run(number) for number in range(threads)]))


def report(wrong: int, **details: object) -> None:
    """End the script's work as `stage.report` does, with the exceptions of the threads."""
    stage.report(wrong, exceptions=_exceptions[:5], **details)
