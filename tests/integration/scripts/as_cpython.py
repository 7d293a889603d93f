"""What guarded code and its surroundings see is what CPython would show them."""

import _imp
import gc
import weakref
from collections.abc import Callable

import stage

borrowed = stage.load("borrowed_items")
capsules = stage.load("capsule_maker")
raw_cache = stage.load("raw_cache")


def error_of(function: Callable[..., object], *arguments: object) -> str:
    try:
        function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


class Spec:
    """A spec that CPython refuses."""

    name = "with\0null"
    origin = "nowhere"


def class_is_freed() -> bool:
    """A class does not outlive its instances; a weak reference makes them die as shared ones do."""

    class Node(raw_cache.Node):
        pass

    nodes = [raw_cache.get(Node, key) for key in range(2)]
    references = [weakref.ref(node) for node in nodes]
    watch = weakref.ref(Node)
    del nodes, references, Node
    gc.collect()
    return watch() is None


seen = {
    "item of no list": error_of(borrowed.list_item, 42),
    "null in name": error_of(_imp.create_dynamic, Spec()),
    "destructor": str(capsules.is_own(capsules.make())),
    "class": "freed" if class_is_freed() else "alive",
}
expected = {
    "item of no list": "bad argument to internal function",
    "null in name": "ValueError: embedded null character",
    "destructor": "True",
    "class": "freed",
}
wrong = {what: seen[what] for what in seen if not seen[what].endswith(expected[what])}
stage.report(len(wrong), seen=seen)
