"""Workload: four clerks write form letters from templates that they share.

The letters and customers are files of template_cache/, where the legacy extension `letter_template`
lives, too. Each mailing makes every template afresh: the first clerk who uses one has it parsed.
All letters are compared with what Python's own `str.format_map` makes of them, and the extension's
counters with the truth.
"""

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.workload import Plan, WrongResult, run

DATA = Path(__file__).resolve().parent / "template_cache"
CLERKS = 4
MAILINGS = 3000

type Customer = dict[str, str]


def read_letters() -> list[str]:
    """Return the sources of the form letters."""
    return (DATA / "letters.txt").read_text(encoding="utf-8").split("%%\n")


def read_customers() -> list[Customer]:
    """Return the customers, each a mapping of field names to text."""
    with (DATA / "customers.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Mailings:
    """All mailings of one run: the templates, who writes what, and the known answers."""

    def __init__(self, letter_template: Any) -> None:
        self.module = letter_template
        self.letters = read_letters()
        self.customers = read_customers()
        self.known = [[text.format_map(one) for one in self.customers] for text in self.letters]
        self.templates = [
            [letter_template.Template(text) for text in self.letters] for _ in range(MAILINGS)
        ]
        self.next_mailing = threading.Barrier(CLERKS)

    def clerk(self, number: int) -> Callable[[], None]:
        """Return the job of one clerk: in every mailing, every letter to its own customers."""
        mine = range(number, len(self.customers), CLERKS)

        def write_all() -> None:
            wrong = 0
            for templates in self.templates:
                self.next_mailing.wait()
                for template, known in zip(templates, self.known):
                    for index in mine:
                        wrong += not self._is_right(template, self.customers[index], known[index])
            if wrong:
                raise WrongResult(f"clerk {number} wrote {wrong} wrong letters")

        return write_all

    @staticmethod
    def _is_right(template: Any, customer: Customer, known: str) -> bool:
        try:
            return bool(template.expand(customer) == known)
        except Exception:  # whatever the extension raises: it is not the letter
            return False

    def known_statistics(self) -> dict[str, int]:
        """Return what the counters of the extension have to say at the end."""
        fields = [source.count("{") for source in self.letters]
        names = {piece.split("}")[0] for text in self.letters for piece in text.split("{")[1:]}
        return {
            "parsed": MAILINGS * len(self.letters),
            "expanded": MAILINGS * len(self.letters) * len(self.customers),
            "characters": MAILINGS * sum(len(text) for texts in self.known for text in texts),
            "fields filled": MAILINGS * sum(fields) * len(self.customers),
            "field names": len(names),
        }

    def verify(self) -> str:
        """Compare the extension's counters with the truth."""
        found, known = self.module.statistics(), self.known_statistics()
        differences = [
            f"{name} {found[name]} instead of {known[name]}"
            for name in known
            if found[name] != known[name]
        ]
        if differences:
            raise WrongResult(", ".join(differences))
        return ", ".join(f"{name} {count}" for name, count in found.items())


def prepare() -> Plan:
    """Import the extension and plan the mailings."""
    import letter_template

    mailings = Mailings(letter_template)
    return Plan([mailings.clerk(number) for number in range(CLERKS)], mailings.verify)


if __name__ == "__main__":
    run(prepare)
