"""The benchmark table of pythonnogil: each figure compares two things measured in turn in one run.

Run by tests/bench/run. Exit code 0: everything was measured; whether a target was met is for the
reader.
"""

import argparse

import call_rows
import lock_rows
import package_rows
import process_rows
from rows import HEADING

PARTS = ("lock", "calls", "processes", "packages")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        help="print only this part of the table; may be given several times",
    )
    parser.add_argument(
        "--rounds", type=int, default=9, help="rounds of each comparison (default 9)"
    )
    parser.add_argument(
        "--starvation",
        type=int,
        default=5,
        metavar="SECONDS",
        help="of that figure (default 5)",
    )
    arguments = parser.parse_args()
    rounds = arguments.rounds
    if rounds < 2:
        parser.error("--rounds: at least 2, or there is no spread to show")
    if arguments.starvation < 1:
        parser.error("--starvation: at least 1 second")
    parts = {
        "lock": lambda: lock_rows.rows(rounds, arguments.starvation),
        "calls": lambda: call_rows.rows(rounds),
        "processes": lambda: process_rows.rows(rounds),
        "packages": lambda: package_rows.rows(rounds),
    }
    print(HEADING)
    for part in PARTS:
        if arguments.only is None or part in arguments.only:
            for row in parts[part]():
                print(row, flush=True)


if __name__ == "__main__":
    main()
