"""Rows of the table, in Markdown."""

from measure import Comparison, Spread

HEADING = "| figure | median | quartiles | target | both sides |\n|---|---|---|---|---|"
UNITS = {"ns": 1e9, "us": 1e6, "ms": 1e3}


def row(name: str, spread: Spread, target: str, detail: str) -> str:
    quartiles = f"{spread.low:.2f} to {spread.high:.2f}"
    return f"| {name} | {spread.median:.2f} | {quartiles} | {target} | {detail} |"


def both_sides(comparison: Comparison, unit: str) -> str:
    """The typical value of either side, with about three digits."""
    values = [side * UNITS[unit] for side in (comparison.left, comparison.right)]
    digits = max(0, 2 - len(str(int(min(values)))) + (min(values) < 1))
    return " / ".join(f"{value:.{digits}f}" for value in values) + f" {unit}"


def ratio_row(name: str, comparison: Comparison, target: str, unit: str) -> str:
    return row(name, comparison.ratio(), target, both_sides(comparison, unit))


def throughput_row(
    name: str, comparison: Comparison, target: str, unit: str, threads: int = 1
) -> str:
    return row(name, comparison.throughput(threads), target, both_sides(comparison, unit))


def added_row(name: str, comparison: Comparison, target: str) -> str:
    """Nanoseconds that the left side takes more."""
    return row(name, comparison.added(1e9), target, both_sides(comparison, "ns"))
