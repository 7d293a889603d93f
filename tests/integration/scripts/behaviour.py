"""Describes what a program sees of legacy code while it runs, so that guarded and plain runs can
be compared."""

import copy
import gc
import os
import pickle
import re
import sys
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path

import stage


def frames(error: BaseException) -> list[str]:
    """The functions of a traceback, and those of what the exception came from."""
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    for other in (error.__cause__, error.__context__):
        names += [type(other).__name__, *(frames(other) if other is not None else [])]
    return names


def failure(function: Callable[[], object]) -> dict[str, object]:
    """How *function* fails, as far as a program can tell."""
    try:
        function()
    except BaseException as error:
        return {
            "type": type(error).__name__,
            "text": re.sub(r"/[^ :)]*/", "", str(error)),
            "name": getattr(error, "name", None),
            "path": os.path.basename(getattr(error, "path", None) or ""),
            "frames": frames(error),
            "printed": re.sub(r' line \d+|0x[0-9a-f]+|/[^ "]*/', "", traceback.format_exc()),
        }
    return {}


def import_failing(name: str) -> Callable[[], object]:
    return lambda: __import__(name)


# The first extension that is imported fails, before anything of the guard is loaded.
first = failure(import_failing("failing_init"))
imports = {
    name: [failure(import_failing(name)) for _ in range(2)]
    for name in ("failing_init", "failing_exec", "renamed", "unresolved", "absent")
}

counter = stage.load("static_counter")
module = stage.load("ends_abruptly")
zoo = stage.load("every_interpreter")
cache = stage.load("shared_cache")


class Recorded(zoo.Thing):
    """Notes when it ends."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __del__(self) -> None:
        ended.append(self.name)


ended: list[str] = []


def chained() -> None:
    try:
        module.call(lambda: [][0])
    except IndexError as error:
        raise KeyError("outer") from error


def in_handler() -> None:
    try:
        raise ValueError("first")
    except ValueError:
        module.call(lambda: {}["second"])


def order_of_ends() -> list[str]:
    """Objects end where their last reference goes, also inside guarded calls."""
    ended.clear()
    things = [Recorded(str(i)) for i in range(5)]
    module.call(things.pop)
    ended.append("popped")
    module.call(things.clear)
    ended.append("cleared")
    nested = [Recorded("inner")]
    module.call(lambda: [module.call(nested.clear), ended.append("left")])
    watched = Recorded("watched")
    reference = weakref.ref(watched, lambda _: ended.append("reference"))
    del watched
    ended.append(str(reference() is None))
    cycle = [Recorded("cycle")]
    cycle.append(cycle)
    del cycle
    gc.collect()
    return list(ended)


def counts() -> list[int]:
    """Reference counts where they are exact with a GIL."""
    thing, item = zoo.Thing(), object()
    found = [sys.getrefcount(thing), sys.getrefcount(item)]
    found.append(module.call(lambda: sys.getrefcount(item)))
    counter.increment_o(item)
    counter.increment_varargs(item)
    counter.increment_fast(item, item)
    found += [sys.getrefcount(item), sys.getrefcount(thing), sys.getrefcount(module.call)]
    other = thing
    found.append(sys.getrefcount(other))
    template = cache.Template("{name}")
    template.expand("x")
    found += [sys.getrefcount(template), sys.getrefcount(None), sys.getrefcount(module)]
    return found


def copies() -> list[str]:
    template = cache.Template("{name}")
    thing = Recorded("copied")
    twin = copy.copy(thing)
    found = [str(twin.name), str(type(twin) is Recorded), str(type(copy.deepcopy(thing)).__name__)]
    found += [str(copy.copy(counter.increment) is counter.increment)]
    found += [str(copy.deepcopy(counter.Counter) is counter.Counter)]
    found += [str(failure(lambda: pickle.dumps(template)))]
    found += [str(pickle.loads(pickle.dumps(thing)).name)]
    return found


description = {
    "first": first,
    "imports": imports,
    "failures": {
        "raised in a callback": failure(lambda: module.call(lambda: 1 / 0)),
        "raised deeper": failure(lambda: module.call(lambda: module.call(lambda: [][1]))),
        "chained": failure(chained),
        "raised in a handler": failure(in_handler),
        "no such argument": failure(lambda: counter.increment_keywords(wrong=1)),
        "too many arguments": failure(lambda: counter.increment(1)),
        "wrong receiver": failure(lambda: cache.Template.expand(1, "x")),
        "wrong argument": failure(lambda: cache.Template("x").expand(1)),
        "no such attribute": failure(lambda: counter.no_such_function),
        "exit": failure(lambda: module.call(lambda: sys.exit("text"))),
    },
    "ends": order_of_ends(),
    "counts": counts(),
    "copies": copies(),
    "sizes": [sys.getsizeof(zoo.Thing()), sys.getsizeof(cache.Template("x"))],
    "flags": [cls.__flags__ for cls in (zoo.Thing, cache.Template, counter.Counter, Recorded)],
    "tracked": [gc.is_tracked(thing) for thing in (module, zoo.Thing(), Recorded("tracked"))],
    "files": sorted(Path(m.__file__).name for m in (counter, module, zoo, cache)),
}
stage.report(0, description=description)
