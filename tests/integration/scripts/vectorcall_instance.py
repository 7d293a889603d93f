"""Calls objects whose code is found by a pointer in them: StaticCaller|HeapCaller."""

import sys

import stage

TIMES = 30_000
module = stage.load("vectorcall_instance")
caller = getattr(module, sys.argv[1])()
ways = [
    caller,
    lambda: caller(1, 2, key=3),
    lambda: caller(*(1, 2), **{"key": 3}),
    lambda: caller.__call__(1),
    lambda: module.call_through(caller),
    lambda: list(map(caller, [None])),
]
results = [way() for way in ways]
assert results == [0, 3, 3, 1, 0, [1]], results
for way in ways:
    stage.together(*[lambda: stage.repeat(way, TIMES // 3)] * stage.THREADS)
lost = len(ways) * (1 + stage.THREADS * (TIMES // 3)) - module.count()
stage.report(abs(lost) + module.overlaps(), lost=lost, overlaps=module.overlaps())
