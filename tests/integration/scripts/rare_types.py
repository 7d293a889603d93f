"""Enters legacy code from several threads in one of the rarer ways: KIND.

What one round counts is found in one thread first; all rounds of all threads must come to that many
times as much.
"""

import gc
import importlib.util
import itertools
import queue
import sys
from collections.abc import Callable

import stage

module = stage.load("rare_types")
state_module = stage.load("module_state")
TIMES = {"module state": 500, "static metaclass": 3_000, "heap metaclass": 3_000}
DEFAULT_TIMES = 30_000
names = itertools.count()


def metaclass(meta: type) -> Callable[[], object]:
    def use() -> None:
        made = meta(f"Made{next(names)}", (), {})
        made.value = 1
        made.value, made(), repr(made), made.visit()

    return use


def late_slots() -> None:
    late = module.FilledLate()
    repr(late), late + late
    with memoryview(late):
        pass


class Owner:
    """Gets descriptors."""


function, bound, Owner.method, Owner.class_method, Owner.value = module.closures(Owner)
Loose = type("Loose", (), {})


def closures() -> None:
    function(), bound(), Loose.closures[2](Owner()), Loose.closures[3].__get__(None, Owner)()
    owner = Owner()
    owner.value = owner.value
    owner.method(), Owner.class_method()
    for made in module.closures(Owner)[:2]:
        made()


Loose.closures = module.closures(Owner)


Owner.own, Owner.text = module.wrappers(Owner, object.__repr__)


def wrappers() -> None:
    owner = Owner()
    owner.own(), owner.text()


def python_function() -> None:
    pass


module.take_over(python_function)


def pairs() -> None:
    for kind in module.StaticPair, module.HeapPair:
        pair = module.make_pair(kind)
        assert (pair.first, pair.second) == (1, 2) == pair, pair
        repr(pair), hash(pair)


def state() -> None:
    spec = importlib.util.find_spec("module_state")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.missing == ([], "missing")


views: queue.SimpleQueue[memoryview] = queue.SimpleQueue()


def export() -> None:
    """Releases what another thread exported."""
    views.put(memoryview(module.Exporter()))
    views.get().release()


KINDS: dict[str, Callable[[], object]] = {
    "static metaclass": metaclass(module.StaticMeta),
    "heap metaclass": metaclass(module.HeapMeta),
    "type vectorcall": module.Vectored,
    "late type vectorcall": module.FilledLate,
    "late slots": late_slots,
    "old finalizer": module.Deleted,
    "class getitem": lambda: module.Deleted[int],
    "closures": closures,
    "slot wrappers": wrappers,
    "Python function": python_function,
    "buffer released elsewhere": export,
    "named tuples": pairs,
    "module state": state,
}
kind = sys.argv[1]
work, times = KINDS[kind], TIMES.get(kind, DEFAULT_TIMES)
counting = state_module if kind == "module state" else module


def counted(*functions: Callable[[], object]) -> int:
    before = counting.count()
    stage.together(*functions)
    gc.collect()
    return counting.count() - before


counted(work)  # caches and specialisation settle
one_round = counted(work)
lost = one_round * times * stage.THREADS - counted(
    *[lambda: stage.repeat(work, times)] * stage.THREADS
)
stage.report(
    abs(lost) + counting.overlaps(), lost=lost, overlaps=counting.overlaps(), one_round=one_round
)
