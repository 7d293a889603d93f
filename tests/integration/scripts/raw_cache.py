"""Finds dying objects in a cache of raw pointers: plain|subclassed."""

import sys

import stage

SECONDS = 2.0
module = stage.load("raw_cache")


class Subclass(module.Node):
    """Reaches the deallocator of Node only after Python has taken half of it down."""


node_type = module.Node if sys.argv[1] == "plain" else Subclass
span = stage.Span(SECONDS)


def find_and_drop() -> tuple[int, int]:
    wrong = found = 0
    while span:
        for key in (0, 1, 0, 0):
            node = module.get(node_type, key)
            wrong += type(node) is not node_type or not node.check()
            del node
            found += 1
    return wrong, found


results = stage.together(*[find_and_drop] * stage.THREADS)
wrong, found = map(sum, zip(*results))
statistics = module.statistics()
left_over = statistics["made"] - statistics["ended"]
stage.report(
    wrong + abs(left_over) + statistics["wrong_ends"] + statistics["overlaps"],
    found=found,
    **statistics,
)
