"""Calls functions that come back by longjmp, on a list that other threads change meanwhile."""

import stage

TIMES = 50_000
module = stage.load("long_jumps")
shared = [object(), None]


def jump() -> None:
    for _ in range(TIMES):
        text = module.jump(shared)
        assert text.startswith("<object object"), text


def change() -> None:
    """Hangs if a jump leaves the list locked."""
    for _ in range(TIMES):
        shared[0] = object()
        shared.append(None)
        shared.pop()


stage.together(jump, jump, jump, change)
lost = 3 * TIMES - module.count()
stage.report(abs(lost) + module.overlaps(), lost=lost, overlaps=module.overlaps())
