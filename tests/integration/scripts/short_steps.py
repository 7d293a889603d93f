"""Makes short calls from some threads while another one, inside legacy code, detaches again and again.

CPython lets that one in again by itself, so nothing of ours sees how long it has waited.
"""

import time

import stage

PAUSE = 0.0005

steps = stage.load("short_steps")
holder = stage.load("long_holder")
span = stage.Span(2.0)


def step() -> None:
    while span:
        steps.step()


def detach_inside() -> None:
    while span:
        holder.call_for(lambda: time.sleep(PAUSE), 2 * PAUSE)


stage.together(*[step] * (stage.THREADS - 1), detach_inside)
stage.report(steps.overlaps(), count=steps.count())
