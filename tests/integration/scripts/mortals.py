"""Lets objects of legacy types die in several threads, and counts them: KIND of type or death."""

import gc
import sys
import weakref
from collections.abc import Callable

import stage
from mortal_types import finalized, find_type

SECONDS = 1.0
CHAIN = 200_000
module = stage.load("mortals")


def fill(mortal: object) -> None:
    """Give it what its class has room for."""
    if hasattr(mortal, "__dict__") or "one" in getattr(type(mortal), "__slots__", ()):
        mortal.one = mortal.check  # a cycle, now and then
        mortal.one = None


def find_and_drop(mortal_type: type) -> int:
    """Through raw pointers, and weak references where there are any."""
    wrong = 0
    weak = mortal_type.__weakrefoffset__ != 0
    while span:
        for key in (0, 1, 0, 0):
            mortal = module.get(mortal_type, key)
            if type(mortal) is not mortal_type or not mortal.check():
                wrong += 1
                continue
            fill(mortal)
            reference = weakref.ref(mortal) if weak else lambda: None
            del mortal
            again = reference()
            wrong += again is not None and not again.check()
            del again, reference
    return wrong


def collect() -> int:
    while span:
        gc.collect()
    return 0


def chains(mortal_type: type) -> int:
    for _ in range(2):
        head = module.chain(mortal_type, CHAIN)
        del head
    return 0


exchange: list[object] = []


def hand_out(make: Callable[[], object]) -> int:
    """Objects made here die in another thread."""
    wrong = 0
    while span:
        for _ in range(20):
            exchange.append(make())
        for _ in range(20):
            try:
                wrong += not exchange.pop().check()
            except IndexError:
                break
    return wrong


def revive(mortal_type: type) -> int:
    """Objects die, revive into a list, and die again, in whichever thread takes them from there."""
    wrong = 0
    while span:
        for _ in range(20):
            module.make_one(mortal_type)
        for _ in range(20):
            try:
                wrong += not module.revived.pop().check()
            except IndexError:
                break
    return wrong


def work_for(kind: str) -> list[Callable[[], int]]:
    name, _, how = kind.partition(" ")
    mortal_type = find_type(module, kind)
    if name == "Chain":
        return [lambda: chains(mortal_type)] * stage.THREADS
    if name == "Listed":
        return [lambda: hand_out(module.make_listed)] * stage.THREADS
    if name == "Phoenix":
        return [lambda: revive(mortal_type)] * (stage.THREADS - 1) + [collect]
    return [lambda: find_and_drop(mortal_type)] * (stage.THREADS - 1) + [collect]


kind = sys.argv[1]
work = work_for(kind)
span = stage.Span(SECONDS)
wrong = sum(stage.together(*work))
exchange.clear()
for _ in range(3):
    module.revived.clear()
    gc.collect()
statistics = module.statistics()
left_over = statistics["made"] - statistics["ended"]
wrong += abs(left_over) + statistics["wrong_ends"] + statistics["overlaps"]
if "Phoenix" in kind:
    wrong += abs(statistics["made"] - statistics["finalized"])
if kind == "Collected del":
    wrong += abs(len(finalized) - statistics["ended"])
stage.report(wrong, finalized_in_python=len(finalized), **statistics)
