"""Drops capsules whose destructor is legacy code: make|make_late."""

import sys

import stage

TIMES = 150_000
module = stage.load("capsule_maker")
make = getattr(module, sys.argv[1])
stage.together(*[lambda: stage.repeat(make, TIMES)] * stage.THREADS)
lost = stage.THREADS * TIMES - module.count()
stage.report(
    abs(lost) + module.overlaps(), lost=lost, knows_own_destructor=module.is_own(module.make())
)
