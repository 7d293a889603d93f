"""Replaces what legacy code has borrowed and still uses: FUNCTION of borrowed_items."""

import functools
import itertools
import sys
import weakref
from collections.abc import Iterator

import stage

SECONDS = 1.5
module = stage.load("borrowed_items")
name = sys.argv[1]
function = getattr(module, name)


class Holder:
    """Holds the container, or is itself what a weak reference leads to."""

    items: object = None
    item = bytes(64)


def fresh(letters: Iterator[int]) -> bytes:
    """Bytes with other letters than before."""
    return bytes([next(letters)]) * 64


first = bytes(64)
in_list = [first]
in_dict = {"key": first}
in_set = {first}
holder = Holder()
holder.items = in_set if "set" in name else in_dict if "dict" in name else in_list
referents = [Holder()]
targets = {
    "list_item": in_list,
    "attribute_list_item": holder,
    "dict_item": in_dict,
    "dict_item_with_error": in_dict,
    "dict_item_string": in_dict,
    "dict_default": in_dict,
    "attribute_dict_item": holder,
    "dict_item_known_hash": in_dict,
    "set_entry": in_set,
    "attribute_set_entry": holder,
    "attribute_fast_item": holder,
    "item_by_table": holder,
    "attribute_dict_item_string": holder,
    "type_attribute": Holder,
}
sys.borrowed_item = first
if name == "sys_object":
    function, targets[name] = (lambda target: module.sys_object()), None
if name == "second_list_item":
    function, targets[name] = functools.partial(function, []), in_list
span = stage.Span(SECONDS)


def use() -> tuple[int, int]:
    changed = calls = 0
    while span:
        target = weakref.ref(referents[0]) if name == "weak_referent" else targets[name]
        changed += function(target)
        calls += 1
    return changed, calls


def replace() -> tuple[int, int]:
    letters = itertools.cycle(range(1, 255))  # one for each thread: CPython's is not safe for two
    member = b""
    while span:
        for _ in range(50):
            in_list[0] = fresh(letters)
            in_dict["key"] = fresh(letters)
            in_set.discard(member)
            member = fresh(letters)
            in_set.add(member)
            referents[0] = Holder()
            sys.borrowed_item = Holder.item = fresh(letters)
    return 0, 0


results = stage.together(use, use, replace, replace)
changed = sum(result[0] for result in results)
calls = sum(result[1] for result in results)
stage.report(changed, calls=calls)
