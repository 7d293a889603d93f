"""Reads and writes members of an object that legacy code is at work on: HOW TYPE.

HOW is `read`, while legacy code replaces what is in them; `write`, while it uses that; `number`,
while it counts a number up.
"""

import sys
from collections.abc import Callable

import stage

SECONDS = 1.5
module = stage.load("members")
how, kind = sys.argv[1:]


class Slotted(module.Static):
    """Has a member of its own too, which is none of the module's."""

    __slots__ = ("own",)


def make() -> object:
    if kind == "Lazy":
        return module.make_lazy()
    if kind == "Slotted":
        return Slotted()
    cls = getattr(module, kind)
    if cls.__base__ is object:
        assert module.flags(cls) == (kind == "Constant"), "the table of the type was changed"
    return cls()


box = make()
box.renew(bytes(64))
span = stage.Span(SECONDS)


def fresh(number: int) -> bytes:
    return bytes([number % 256]) * 64


def often(step: Callable[[int], int]) -> Callable[[], tuple[int, int]]:
    """Counts what *step* finds wrong, and its calls."""

    def go_on() -> tuple[int, int]:
        wrong = calls = 0
        while span:
            for _ in range(50):
                wrong += step(calls)
                calls += 1
        return wrong, calls

    return go_on


def renew(number: int) -> int:
    box.renew(fresh(number))
    return 0


def is_torn(item: object) -> bool:
    return type(item) is not bytes or len(item) != 64 or item.count(item[0]) != 64


def read(number: int) -> int:
    return is_torn(box.item) + is_torn(box.needed)


def write(number: int) -> int:
    box.item = fresh(number)
    box.needed = fresh(number)
    return 0


def set_number(number: int) -> int:
    box.number = 1 << 40
    return 0


HOW = {
    "read": [renew, renew, read, read],
    "write": [write, write, lambda number: box.use(), lambda number: box.use()],
    "number": [set_number, lambda number: box.count()],
}
if kind == "Slotted":
    box.own = 1
    assert box.own == Slotted.own.__get__(box) == 1
results = stage.together(*[often(step) for step in HOW[how]])
wrong, calls = map(sum, zip(*results))
stage.report(wrong, calls=calls)
