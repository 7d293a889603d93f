"""Imports a file whose C++ static detaches in its constructor, while other threads import and call legacy code."""

import importlib

import stage

OTHERS = ["explicit_used", "late_set_gil", "undeclared_multi"]
TIMES = 20_000
counter = stage.load("static_counter")


def count() -> None:
    stage.repeat(counter.increment, TIMES)


# CPython turns the GIL on for the length of an init function: the state is looked at when all imports are done.
stage.together(
    *[lambda name=name: importlib.import_module(name) for name in ["static_init", *OTHERS]],
    count,
    count,
)
number = stage.load("static_init").number()
wrong = int(number != 42) + abs(counter.count() - 2 * TIMES) + counter.overlaps()
stage.report(wrong, number=number, count=counter.count())
