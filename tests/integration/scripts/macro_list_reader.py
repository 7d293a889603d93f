"""Changes a list in plain Python while legacy code reads it by PyList_GET_ITEM."""

import stage

SECONDS = 1.5
module = stage.load("macro_list_reader")
span = stage.Span(SECONDS)


def fresh(letter: int) -> bytes:
    return bytes([letter % 256]) * 64


items = [fresh(i) for i in range(50)]


def read() -> tuple[int, int, int]:
    reads = bad = inexact = 0
    while span:
        seen, bad_items, before, after = module.read_all(items)
        reads += 1
        bad += bad_items
        inexact += not (seen == before == after)
    return reads, bad, inexact


def change(letter: int) -> tuple[int, int, int]:
    while span:
        for i in range(100):
            items.append(fresh(letter + i))
            items[i % 40] = fresh(letter + i)
        for _ in range(100):
            items.pop()
        items[:10] = [fresh(letter) for _ in range(10)]
    return 0, 0, 0


results = stage.together(read, read, lambda: change(3), lambda: change(7))
reads, bad, inexact = map(sum, zip(*results))
stage.report(bad + inexact, reads=reads, bad_items=bad, inexact_reads=inexact)
