"""Visits every slot of every type of the zoo from several threads: Static|Heap.

What one round visits is counted in one thread first; all the rounds of all the threads must then
come to that many times as much, for each slot by itself.
"""

import contextlib
import gc
import operator
import sys

import stage

ROUNDS = 600
BINARY = "add sub mul mod lshift rshift and_ xor or_ floordiv truediv matmul pow".split()
INPLACE = ["i" + name.rstrip("_") for name in BINARY]

module = stage.load("types_zoo")
kind = sys.argv[1]


def zoo(name: str) -> type:
    return getattr(module, kind + name)


number, sequence, mapping = zoo("Number")(), zoo("Sequence")(), zoo("Mapping")()
asynchronous, buffer = zoo("Async")(), zoo("Buffer")()
Object, Memory, Collected = zoo("Object"), zoo("Memory"), zoo("Collected")


class Described:
    """Has a descriptor from the zoo."""

    attribute = zoo("Descriptor")()


class PythonObject(Object):
    """Ends by way of Python's own deallocator for subclasses."""


async def wait() -> None:
    await asynchronous


def visit_numbers() -> None:
    for name in BINARY + INPLACE:
        getattr(operator, name)(number, number)
    divmod(number, number), -number, +number, abs(number), ~number
    int(number), float(number), operator.index(number), bool(number)
    type(number).__add__(number, 1), pow(number, 2, 3)


def visit_containers() -> None:
    len(sequence), sequence + sequence, sequence * 2, sequence[0], 1 in sequence
    operator.iconcat(sequence, sequence)
    changed = sequence
    changed += sequence
    changed *= 2
    sequence[0] = 1
    del sequence[0]
    len(mapping), mapping["key"]
    mapping["key"] = 1
    del mapping["key"]
    aiter(asynchronous), anext(asynchronous), asynchronous.__await__(), next(asynchronous)
    waiting = wait()
    with contextlib.suppress(StopIteration):  # 3.15 asks am_send, which says that it is finished
        waiting.send(None)
    waiting.close(), module.send(asynchronous)
    with memoryview(buffer) as view:
        view[0]


def visit_objects() -> None:
    for cls in (Object, PythonObject):
        animal = cls()
        repr(animal), str(animal), hash(animal), animal(1, key=2), animal == 1, animal < 1
        iter(animal), next(animal)
        animal.number = 3
        animal.value = animal.value
        animal.number, animal.method(), animal.method_o(1)
        animal.class_method(), animal.static_method()
        Object.__repr__(animal), Object.value.__get__(animal)
    holder = Described()
    holder.attribute = holder.attribute
    Memory()
    circle = Collected()
    circle.link = circle


def visit_all() -> None:
    visit_numbers()
    visit_containers()
    visit_objects()


def counted(*work: object) -> dict[str, int]:
    before = module.visits()
    stage.together(*work)
    gc.collect()
    return {name: count - before[name] for name, count in module.visits().items()}


visit_all()  # caches and specialisation settle
gc.collect()
one_round = counted(visit_all)
rounds = counted(*[lambda: stage.repeat(visit_all, ROUNDS)] * stage.THREADS)
lost = {
    name: one_round[name] * ROUNDS * stage.THREADS - count
    for name, count in rounds.items()
    if one_round[name] * ROUNDS * stage.THREADS != count
}
overlaps = {name: count for name, count in module.overlaps().items() if count}
stage.report(
    len(lost) + len(overlaps),
    lost=lost,
    overlaps=overlaps,
    never_visited=sorted(name for name, count in one_round.items() if count == 0),
    slots=len(one_round),
)
