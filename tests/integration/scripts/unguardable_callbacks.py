"""Installs callbacks that CPython runs where nothing can wait: tracer|allocator|arenas|raw allocator.

The report's `installed` says whether the callback was, `error` what was reported.
"""

import sys

import stage

module = stage.load("callbacks")
errors: list[str] = []
sys.unraisablehook = lambda unraisable: errors.append(repr(unraisable.exc_value))


def install(kind: str) -> bool:
    if kind == "arenas":
        return module.set_arena_allocator()
    if kind != "tracer":
        return module.set_allocator(kind == "raw allocator")
    try:
        module.trace_objects()
    except RuntimeError as refusal:
        errors.append(repr(refusal))
        return False
    return True


stage.report(0, installed=install(sys.argv[1]), error=" ".join(errors))
