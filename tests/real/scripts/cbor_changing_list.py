"""cbor: one half of the threads encodes a list whose content the others exchange in plain Python.

The package goes through the list by index and borrows its items. With the GIL the list stands still
meanwhile, so what comes out is one of its contents; the last item of each tells its length.
"""

import crowd
import stage

cbor = stage.load("cbor._cbor")


def content(number: int, turn: int) -> list[str]:
    length = 8 + turn % 90
    return [f"{number}-{turn}-{length}"] * length


row = content(0, 0)


def encode() -> int:
    wrong = 0
    for _ in crowd.rounds():
        decoded = cbor.loads(cbor.dumps(row))
        wrong += len(set(decoded)) != 1 or not decoded[-1].endswith(f"-{len(decoded)}")
    return wrong


def exchange(number: int) -> int:
    for turn in crowd.rounds():
        row[:] = content(number, turn)
    return 0


crowd.report(crowd.wrong(lambda number: exchange(number) if number % 2 else encode()))
