"""What legacy code finds by a raw pointer while the collector takes it for garbage: KIND of type,
and WAY in which it became garbage.

The object belongs to the main thread, which waits and so cannot see to its count, and another
thread drops the last reference. CPython then leaves the object to the collector, whose callbacks
and finalizers run while other threads do. Here one of the callbacks finds the object.
"""

import gc
import sys
import time
import weakref

import stage
from mortal_types import finalized, find_type

TRIES = 50
kind, way = sys.argv[1:]
module = stage.load("mortals")
mortal_type = find_type(module, kind)
exchange: list[object] = []
gc.disable()


class Cycle:
    """Garbage of its own."""

    def __init__(self) -> None:
        self.myself = self


def count(what: str) -> int:
    """What the fixture has counted."""
    counted: int = module.statistics()[what]
    return counted


def make() -> object:
    """An object, the only one that get() finds, or what owns it."""
    mortal = module.get(mortal_type, 0)
    if way == "dropped":
        return mortal
    owner = [mortal]
    if way == "in a cycle":
        owner.append(owner)
        if kind != "Finalized":
            mortal.one = owner
    return owner


def find() -> object:
    """Drop the object, and find it while the collector is at work."""
    found: list[object] = []
    reference = weakref.ref(Cycle(), lambda _: found.append(module.get(mortal_type, 0)))
    time.sleep(0.01)
    exchange.clear()
    gc.collect()
    del reference
    return found[0]


def miss() -> None:
    """Drop the object, and let it be garbage."""
    time.sleep(0.01)
    exchange.clear()
    gc.collect()


def found_while_collected() -> object:
    """The object; None if the main thread was not waiting yet and saw to its count."""
    exchange.append(make())
    made = count("made")
    found = stage.together(find)[0]
    return found if count("made") == made else None


def first_found() -> object:
    for _ in range(TRIES):
        found = found_while_collected()
        if found is not None:
            return found
        gc.collect()
    raise AssertionError(f"the collector got the object in none of {TRIES} tries")


# A class is guarded when it has had an instance.
module.get(mortal_type, 0)
gc.collect()
found = first_found()
# The object that was found, and no other, is alive and whole.
wrong = not found.check()
wrong += count("made") - count("ended") != 1
wrong += kind.endswith(" del") and len(finalized) != count("ended")
del found
gc.collect()
wrong += count("made") - count("ended")
# Nobody finds the next one.
exchange.append(make())
stage.together(miss)
gc.collect()
statistics = module.statistics()
wrong += statistics["made"] - statistics["ended"]
wrong += kind.endswith(" del") and len(finalized) != statistics["made"]
wrong += statistics["wrong_ends"] + statistics["overlaps"]
stage.report(wrong, **statistics)
