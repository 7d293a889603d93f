"""Re-enters legacy code from its callbacks, deep into one module or in turns: deep|mutual."""

import sys

import stage

DEPTH = 60
TIMES = 1_000
a = stage.load("reentrant_a")
b = stage.load("reentrant_b")
modules = [a, a] if sys.argv[1] == "deep" else [a, b]


def bounce(depth: int) -> int:
    return modules[depth % 2].bounce(bounce, depth)


def go_deep() -> int:
    return sum(bounce(DEPTH) != DEPTH + 1 for _ in range(TIMES))


wrong_depths = sum(stage.together(*[go_deep] * stage.THREADS))
# Each level counts twice.
expected = stage.THREADS * TIMES * (DEPTH + 1) * 2
counted = a.count() + b.count()
overlaps = a.overlaps() + b.overlaps()
stage.report(wrong_depths + abs(expected - counted) + overlaps, count=counted, overlaps=overlaps)
