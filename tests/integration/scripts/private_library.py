"""Borrows in a private library of an extension what other threads replace."""

import stage

module = stage.load("private_library")
span = stage.Span(1.5)


class Item:
    """Something that is freed when nobody holds it."""


items = [Item()]


def use() -> int:
    changed = 0
    while span:
        changed += module.first_item_changes(items)
    return changed


def replace() -> int:
    while span:
        for _ in range(50):
            items[0] = Item()
    return 0


stage.report(sum(stage.together(use, use, replace, replace)))
