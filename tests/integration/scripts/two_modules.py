"""Loads two modules from one file, which count on the same static."""

import importlib.machinery
import importlib.util

import stage

TIMES = 60_000
first = stage.load("two_modules_in_one_file")
loader = importlib.machinery.ExtensionFileLoader("second_of_two", first.__file__)
spec = importlib.util.spec_from_file_location("second_of_two", first.__file__, loader=loader)
second = importlib.util.module_from_spec(spec)
loader.exec_module(second)
stage.check_gil()
stage.together(
    *[lambda: stage.repeat(first.increment, TIMES)] * 2,
    *[lambda: stage.repeat(second.increment_too, TIMES)] * 2,
)
lost = 4 * TIMES - first.count()
stage.report(abs(lost) + first.overlaps(), lost=lost)
