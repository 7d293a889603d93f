"""Lets legacy code drop the last references to its own objects: nested|foreign.

The objects are made and dropped within one call, or made by other threads and dropped in a call.
"""

import sys

import stage

TIMES = 150_000
module = stage.load("own_dealloc")


def nested() -> int:
    stage.repeat(module.make_and_drop, TIMES)
    return TIMES


def make_for_others(into: list[object]) -> int:
    into.extend(module.Part() for _ in range(TIMES))
    return TIMES


def drop_in_portions(parts: list[object]) -> int:
    while parts:
        portion = [parts.pop() for _ in range(50)]
        module.drop_all(portion)
    return 0


if sys.argv[1] == "nested":
    ended = sum(stage.together(*[nested] * stage.THREADS))
    lost_calls = ended - module.count()
else:
    heaps: list[list[object]] = [[] for _ in range(stage.THREADS)]
    ended = sum(stage.together(*[lambda heap=heap: make_for_others(heap) for heap in heaps]))
    stage.together(*[lambda heap=heap: drop_in_portions(heap) for heap in heaps])
    lost_calls = 0
lost_ends = ended - module.deallocated()
stage.report(
    abs(lost_ends) + abs(lost_calls) + module.overlaps(),
    lost_ends=lost_ends,
    lost_calls=lost_calls,
    overlaps=module.overlaps(),
)
