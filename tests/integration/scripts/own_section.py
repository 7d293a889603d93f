"""Walks over dicts, one a thread, in legacy code that locks each in a section of its own.

The section lies above that of the guard. Locking the dict once more for a step of PyDict_Next
would make CPython give up both, and let another thread in.
"""

from types import SimpleNamespace

import stage

SECONDS = 1.0
module = stage.load("dict_walker")
span = stage.Span(SECONDS)


def walk() -> tuple[int, int]:
    holder = SimpleNamespace(items={bytes([number]): bytes([number]) for number in range(50)})
    walks = others = 0
    while span:
        others += module.walk_in_own_section(holder)
        walks += 1
    return walks, others


walks, others = map(sum, zip(*stage.together(walk, walk)))
stage.report(others, walks=walks)
