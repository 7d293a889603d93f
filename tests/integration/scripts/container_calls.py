"""Lets legacy code make calls on containers of the calling thread's own: list|dict|set.

They are arguments, so the guard has locked them.
"""

import sys
from collections.abc import Callable

import stage

TIMES = 5_000
module = stage.load("container_calls")
kind = sys.argv[1]
make: Callable[[], object] = {
    "list": lambda: [1, 2],
    "dict": lambda: {"key": 1},
    "set": lambda: {"key"},
}[kind]


def wrong_around(function: Callable[[object], None]) -> int:
    """How often something went wrong in all threads together."""

    def call() -> None:
        container = make()
        for _ in range(TIMES):
            function(container)

    module.reset()
    stage.together(*[call] * stage.THREADS)
    return abs(stage.THREADS * TIMES - module.count()) + module.overlaps()


found = {
    name: wrong_around(function)
    for name, function in vars(module).items()
    if name.startswith(f"{kind}_")
}
stage.report(sum(found.values()), functions=found)
