"""Makes calls from some threads that nobody may get into the middle of: KIND.

"short" ones while another thread, inside legacy code, detaches again and again. CPython lets that
one in again by itself, so nothing of ours sees how long it has waited. "long" ones last longer
than anybody waits elsewhere.
"""

import sys
import time

import stage

PAUSE = 0.0005
LONG = 0.02

steps = stage.load("short_steps")
holder = stage.load("long_holder")
span = stage.Span(2.0)


def step() -> None:
    while span:
        steps.step()


def detach_inside() -> None:
    while span:
        holder.call_for(lambda: time.sleep(PAUSE), 2 * PAUSE)


def long_step() -> None:
    while span:
        steps.long_step(LONG)


others = {"short": (step, detach_inside), "long": (long_step, long_step)}
each, another = others[sys.argv[1]]
stage.together(*[each] * (stage.THREADS - 1), another)
stage.report(steps.overlaps(), count=steps.count())
