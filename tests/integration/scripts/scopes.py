"""Runs functions of modules in threads of their own; the report says which were inside at once.

Each word of the command line is one thread: MODULE.FUNCTION, MODULE.NUMBER.METHOD for a method of
the Thing with that number, or MODULE.Thing.METHOD. `capsule=USER,MAKER` connects two modules when
its turn comes, and `take=USER,MAKER` does so by a capsule that is at hand.
"""

import importlib
import sys
import time
from collections.abc import Callable

import stage

SECONDS = 0.35
MICROSECONDS = 1500
LEASE = 10.0  # scope interpreter has the GIL on for a moment longer than its code runs

things: dict[str, object] = {}


def find(word: str) -> Callable[[int, int], None]:
    name, *path = word.split(".")
    found: object = importlib.import_module(name)
    if path[0].isdigit():
        key = f"{name}.{path.pop(0)}"
        found = things.setdefault(key, found.Thing())
    for part in path:
        found = getattr(found, part)
    return found


def connect(word: str) -> None:
    how, _, names = word.partition("=")
    user, maker = map(importlib.import_module, names.split(","))
    if how == "capsule":
        user.connect(f"{maker.__name__}.api")
    else:
        user.take(maker.api)


functions = []
for word in sys.argv[1:]:
    if "=" in word:
        connect(word)
    else:
        functions.append(find(word))
span = stage.Span(SECONDS)


def work(kind: int) -> int:
    calls = 0
    while span:
        functions[kind](kind, MICROSECONDS)
        calls += 1
    return calls


kinds = range(len(functions))
calls = stage.together(*[lambda kind=kind: work(kind) for kind in kinds])
witness = importlib.import_module("scoped_a")
pairs = [[one, other] for one in kinds for other in range(one) if witness.overlaps(one, other)]
limit = stage.Span(LEASE)
while sys._is_gil_enabled() and limit:
    time.sleep(0.01)
stage.report(sum(count < 3 for count in calls), pairs=pairs, calls=calls)
