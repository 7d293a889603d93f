"""Compares the guard's exclusive hold with a critical section of CPython's, both uncontended, and
with the same hold while the time is read before and after.

holds.py ROUNDS prints the pairs of the rounds of either comparison as JSON.
"""

import json
import sys

import hold_costs
from measure import compare, second_thread

TIMES = 500_000


def main() -> None:
    rounds = int(sys.argv[1])
    with second_thread():
        section = compare(
            lambda: hold_costs.hold(TIMES), lambda: hold_costs.section(TIMES), rounds
        )
        timed = compare(
            lambda: hold_costs.timed_hold(TIMES), lambda: hold_costs.hold(TIMES), rounds
        )
    if sys._is_gil_enabled():
        sys.exit("holds.py: the GIL is on, so nothing was measured")
    json.dump({"section": section.pairs, "timed": timed.pairs}, sys.stdout)


if __name__ == "__main__":
    main()
