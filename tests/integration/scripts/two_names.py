"""Loads one file as two modules, which count on the same static: MODULE."""

import importlib.machinery
import importlib.util
import sys

import stage

TIMES = 60_000
name = sys.argv[1]
first = stage.load(name)
other_name = f"elsewhere.{name}"
loader = importlib.machinery.ExtensionFileLoader(other_name, first.__file__)
spec = importlib.util.spec_from_file_location(other_name, first.__file__, loader=loader)
second = importlib.util.module_from_spec(spec)
loader.exec_module(second)
stage.check_gil()
assert first is not second and second.__name__ == other_name
stage.together(
    *[lambda: stage.repeat(first.increment, TIMES)] * 2,
    *[lambda: stage.repeat(second.increment, TIMES)] * 2,
)
lost = 4 * TIMES - first.count()
stage.report(abs(lost) + first.overlaps(), lost=lost)
