"""What legacy code gets from PySequence_Fast: `kept`, or `changed` while it is read."""

import sys

import stage

SECONDS = 1.5
module = stage.load("fast_sequence")


def fresh(letter: int) -> bytes:
    return bytes([letter % 256]) * 64


def kept() -> None:
    """The list itself, so that later changes of it are seen."""
    letters = ["a", "b"]
    module.keep(letters)
    letters[0] = "c"
    letters.append("d")
    seen = [module.item(place) for place in range(2)]
    try:
        seen.append(module.item(2))
    except IndexError:
        seen.append("nothing")
    stage.report(int(seen != ["c", "b", "d"]), seen=seen)


class Holder:
    """Leads to the list."""

    items: list[bytes]


def changed() -> None:
    """A list that no other thread can change, even in the hands of the thread that made it."""
    holder = Holder()
    holder.items = [fresh(i) for i in range(50)]
    span = stage.Span(SECONDS)

    def read_own() -> tuple[int, int]:
        holder.items = [fresh(i) for i in range(50)]
        return read()

    def read() -> tuple[int, int]:
        reads = bad = 0
        while span:
            bad += module.bad_items(holder)
            reads += 1
        return reads, bad

    def change() -> tuple[int, int]:
        letter = 0
        while span:
            items = holder.items
            for _ in range(100):
                letter += 1
                items.append(fresh(letter))
                items[letter % 40] = fresh(letter)
            for _ in range(100):
                items.pop()
        return 0, 0

    results = stage.together(read_own, read, change, change)
    reads, bad = map(sum, zip(*results))
    stage.report(bad, reads=reads)


{"kept": kept, "changed": changed}[sys.argv[1]]()
