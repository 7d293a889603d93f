"""Changes a dict in plain Python while legacy code walks over it by PyDict_Next: FUNCTION.

`walk` gets the dict as an argument, so the guard can lock it as a whole and the walk is exact;
`walk_attribute` finds it on an object, and only has to meet no torn pair and no freed object.
"""

import sys
from types import SimpleNamespace

import stage

SECONDS = 1.5
module = stage.load("dict_walker")
name = sys.argv[1]
items: dict[bytes, bytes] = {}
holder = SimpleNamespace(items=items)
target = items if name == "walk" else holder
function = getattr(module, name)
span = stage.Span(SECONDS)


def key(number: int) -> bytes:
    return b"%064d" % number


for i in range(20):
    items[key(i)] = key(i)


def walk() -> tuple[int, int, int]:
    walks = bad = inexact = 0
    while span:
        seen, bad_pairs, before, after = function(target)
        walks += 1
        bad += bad_pairs
        inexact += not (seen == before == after)
    return walks, bad, inexact


def change(first: int) -> tuple[int, int, int]:
    while span:
        for number in range(first, first + 200):
            items[key(number)] = key(number)
        for number in range(first, first + 200):
            del items[key(number)]
    return 0, 0, 0


results = stage.together(walk, walk, lambda: change(1000), lambda: change(2000))
walks, bad, inexact = map(sum, zip(*results))
stage.report(
    bad + (inexact if name == "walk" else 0), walks=walks, bad_pairs=bad, inexact_walks=inexact
)
