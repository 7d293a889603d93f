"""The figures that one process can measure: guarded and plain calls of the same functions.

Prints one JSON object; run by bench.py in a process where the hook guards legacy_calls.
"""

import json
import sys

import declared_calls
import legacy_calls
from measure import Ratio, compare, second_thread, seconds_per_call

CALLS = 100_000
LEVELS = 50


def row(ratio: Ratio) -> dict[str, object]:
    return {"median": ratio.median, "spread": ratio.spread, "left": ratio.left, "right": ratio.right}


def calls(name: str, count: int, rounds: int, *arguments: object) -> Ratio:
    guarded, plain = getattr(legacy_calls, name), getattr(declared_calls, name)
    return compare(
        lambda: seconds_per_call(guarded, *arguments, calls=count),
        lambda: seconds_per_call(plain, *arguments, calls=count),
        rounds,
    )


def descend(module) -> float:
    """Seconds of one level of a call that goes LEVELS deep through Python callbacks."""

    def callback(level: int) -> None:
        if level:
            module.call_back(callback, level - 1)

    return seconds_per_call(module.call_back, callback, LEVELS, calls=400) / (LEVELS + 1)


def main() -> None:
    rounds = int(sys.argv[1])
    with second_thread():
        figures = {
            "empty": row(calls("empty", CALLS, rounds)),
            "work": row(calls("work", CALLS // 20, rounds)),
            "levels": row(compare(lambda: descend(legacy_calls), lambda: descend(declared_calls), rounds)),
            "things": row(calls("Thing", CALLS, rounds)),
            "borrowed": row(calls("first_items", CALLS // 500, rounds, [object()], 1000)),
        }
    if sys._is_gil_enabled():
        sys.exit("in_process.py: the GIL is on, so nothing was measured")
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
