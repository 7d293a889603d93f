"""Compares the guard's exclusive hold with a critical section of CPython's, both uncontended.

holds.py ROUNDS prints the pairs of the rounds as JSON.
"""

import json
import sys

import hold_costs
from measure import compare, second_thread

TIMES = 500_000


def main() -> None:
    with second_thread():
        comparison = compare(
            lambda: hold_costs.hold(TIMES), lambda: hold_costs.section(TIMES), int(sys.argv[1])
        )
    if sys._is_gil_enabled():
        sys.exit("holds.py: the GIL is on, so nothing was measured")
    json.dump(comparison.pairs, sys.stdout)


if __name__ == "__main__":
    main()
