"""Lets C++ exceptions cross guarded slots and a C callback, again and again, then counts."""

import stage

TIMES = 2_000
module = stage.load("cpp_exceptions")
thrower = module.Thrower()


def throw() -> int:
    caught = 0
    for _ in range(TIMES):
        caught += module.catch_own(thrower)
        caught += module.through_c_callback()
        module.increment()
    return caught


caught = sum(stage.together(*[throw] * stage.THREADS))
stage.together(*[lambda: stage.repeat(module.increment, TIMES)] * stage.THREADS)
rounds = stage.THREADS * TIMES
not_caught = 2 * rounds - caught
# Four counts in catch_own, two in through_c_callback, one increment; then one increment more.
lost = rounds * (4 + 2 + 1) + rounds - module.count()
stage.report(not_caught + abs(lost) + module.overlaps(), not_caught=not_caught, lost=lost)
