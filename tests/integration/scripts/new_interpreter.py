"""Lets legacy code make interpreters of its own and work there, while other threads are in it."""

import stage

TIMES = 5
COUNTS_EACH_TIME = 2 * 300_000
module = stage.load("new_interpreter")
done: list[None] = []


def count_elsewhere() -> int:
    try:
        stage.repeat(module.count_elsewhere, TIMES)
    finally:
        done.append(None)
    return TIMES * COUNTS_EACH_TIME


def count_here() -> int:
    counted = 0
    while not done:
        module.increment()
        counted += 1
    return counted


expected = sum(stage.together(count_elsewhere, count_here, count_here))
lost = expected - module.count()
stage.report(abs(lost) + module.overlaps(), lost=lost, overlaps=module.overlaps())
