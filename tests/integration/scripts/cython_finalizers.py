"""Drops objects of Cython's classes with __del__, in every way, and counts how often they are
finalized and freed."""

import gc
import threading
from collections.abc import Callable

import stage

TIMES = 20_000
module = stage.load("cython_fixture")


class Subclass(module.Finalized):
    """Of Python's own."""


CLASSES = [module.Finalized, module.PlainFinalized, module.FinalizedChild, Subclass]


def drop(cls: type) -> None:
    cls()


def drop_elsewhere(cls: type) -> None:
    made = [cls()]
    thread = threading.Thread(target=made.clear)
    thread.start()
    thread.join()


def drop_in_a_cycle(cls: type) -> None:
    made = cls()
    if hasattr(made, "item"):
        made.item = made
    del made
    gc.collect()


def revive(cls: type) -> None:
    made = cls()
    made.keeps = True
    del made
    assert [type(thing) for thing in module.kept] == [cls]
    module.kept[0].keeps = False
    module.kept.clear()


def counted(work: Callable[[], object]) -> int:
    before = module.count()
    work()
    gc.collect()
    return module.count() - before


once = {
    f"{cls.__name__} {way.__name__}": counted(lambda cls=cls, way=way: way(cls))
    for cls in CLASSES
    for way in (drop, drop_elsewhere, drop_in_a_cycle, revive)
}
all_together = counted(
    lambda: stage.together(
        *[lambda: stage.repeat(lambda: drop(module.Finalized), TIMES)] * stage.THREADS
    )
)
lost = 2 * TIMES * stage.THREADS - all_together
stage.report(abs(lost) + module.overlaps(), once=once, lost=lost, overlaps=module.overlaps())
