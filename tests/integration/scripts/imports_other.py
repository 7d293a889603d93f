"""Imports two modules that import each other, from two threads in both orders: FIRST SECOND."""

import importlib
import sys

import stage

names = sys.argv[1:3]
stage.together(*[lambda name=name: importlib.import_module(name) for name in names])
stage.check_gil()
a, b = (sys.modules[f"imports_other_{letter}"] for letter in "ab")
TIMES = 100_000


def count_in_both() -> None:
    for _ in range(TIMES):
        a.increment()
        b.increment()


stage.together(*[count_in_both] * stage.THREADS)
# Two from the exec code, and what the threads counted.
expected = 2 + stage.THREADS * TIMES
wrong = abs(expected - a.count()) + abs(expected - b.count()) + a.overlaps() + b.overlaps()
stage.report(wrong, linked=a.other is b and b.other is a, counts=[a.count(), b.count()])
