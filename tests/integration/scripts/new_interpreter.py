"""Lets legacy code make interpreters of its own and work there, while other threads are in it."""

import stage

TIMES = 10
COUNTS_EACH_TIME = 2 * 20_000
OTHERS = 200_000
module = stage.load("new_interpreter")
stage.together(
    lambda: stage.repeat(module.count_elsewhere, TIMES),
    *[lambda: stage.repeat(module.increment, OTHERS)] * 2,
)
lost = TIMES * COUNTS_EACH_TIME + 2 * OTHERS - module.count()
stage.report(abs(lost) + module.overlaps(), lost=lost, overlaps=module.overlaps())
