"""Calls the inner loop of a legacy module as numpy would: WAY HOW.

WAY is how the loop was handed over, or "recorded"; HOW says whether it is called attached or
detached.
"""

import sys
from functools import partial
from types import ModuleType

import pythonnogil
import stage

TIMES = 100_000
RECORDED_TIMES = 100

way, detached = sys.argv[1], sys.argv[2] == "detached"
for package in "numpy", "numpy._core":
    sys.modules[package] = ModuleType(package)
sys.modules["numpy._core._multiarray_umath"] = stage.load("declared_ufuncs")
if way == "recorded":
    pythonnogil.start_recording()
module = stage.load("ufunc_maker")


def recorded_calls() -> int:
    """How many calls of the loop were recorded."""
    [maker] = [one for one in pythonnogil.stats()["modules"] if one["name"] == "ufunc_maker"]
    return sum(one["calls"] for one in maker["functions"] if one["name"] == "ufunc loop")


if way == "recorded":
    stage.repeat(partial(module.make("data"), detached), RECORDED_TIMES)
    stage.report(0, calls=recorded_calls())
elif detached:
    stage.together(*[partial(module.make("meet"), True)] * 2)
    stage.report(int(not module.has_met()), met=module.has_met())
else:
    ufunc = module.make(way)
    stage.together(*[lambda: stage.repeat(lambda: ufunc(False), TIMES)] * stage.THREADS)
    expected = stage.THREADS * TIMES
    stage.report(abs(expected - module.count()) + module.overlaps(), overlaps=module.overlaps())
