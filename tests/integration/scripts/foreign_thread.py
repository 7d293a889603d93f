"""Lets threads that Python does not know call in, while Python's own do as well: WAY STARTER.

WAY is ensure, acquire, release, swap or "two states"; STARTER is pthread or cpython.
"""

import sys

import stage

FOREIGN = 3
TIMES = 1_000
COUNTS_EACH_TIME = 2 * 200
module = stage.load("foreign_thread")
way, by_cpython = sys.argv[1], sys.argv[2] == "cpython"
called: list[None] = []


def callback() -> None:
    called.append(None)


results = stage.together(
    lambda: module.run(callback, FOREIGN, TIMES, way, by_cpython),
    lambda: stage.repeat(module.increment, 100 * TIMES),
)
expected = FOREIGN * TIMES * COUNTS_EACH_TIME + 100 * TIMES
stage.report(
    abs(expected - module.count()) + module.overlaps() + results[0],
    count=module.count(),
    called=len(called),
    failed=results[0],
)
