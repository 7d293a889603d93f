"""The story's results as text."""

import textwrap
from collections.abc import Iterable

from harness.configurations import FORCED_OFF, GUARDED
from harness.result import Result, Runs
from harness.trial import Outcome

HEADINGS = ("configuration", "GIL", "result", "seconds", "speed")
WIDTH = 100


def table(result: Result) -> str:
    """Return a table of one workload, and under it what there is to say about failures."""
    rows = [HEADINGS, *(_row(result, runs) for runs in result.runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    title = f"{result.workload.package} ({result.workload.origin}): {result.workload.story}"
    indented = [f"  {line}".rstrip() for line in lines]
    return "\n".join([*textwrap.wrap(title, WIDTH), *indented, *_notes(result.runs)])


def _row(result: Result, runs: Runs) -> tuple[str, ...]:
    seconds, speed = runs.seconds, result.speed(runs)
    return (
        runs.configuration.name,
        runs.gil(),
        runs.result(),
        "-" if seconds is None else f"{seconds:.2f}",
        "-" if speed is None else f"{speed:.2f} x",
    )


def _notes(every: Iterable[Runs]) -> list[str]:
    """Return what the guarded run did, and what befell each other one that was not right."""
    notes: list[str] = []
    for runs in every:
        trial = runs.worst()
        if trial.detail and (runs.configuration is GUARDED or not runs.all_right):
            note = f"{runs.configuration.name}: {trial.outcome}: {trial.detail}"
            notes += textwrap.wrap(
                note, WIDTH, initial_indent="  * ", subsequent_indent="    ", max_lines=4
            )
    return notes


def conclusion(results: Iterable[Result]) -> str:
    """Say in a sentence or two what the tables show."""
    results = list(results)
    guarded = [result.of(GUARDED) for result in results]
    total = sum(len(runs.trials) for runs in guarded)
    right = sum(trial.outcome is Outcome.RIGHT for runs in guarded for trial in runs.trials)
    gil = "off" if all(runs.gil_off for runs in guarded) else "on (it should be off)"
    speeds = [_speed_phrase(result) for result in results if result.speed(result.of(GUARDED))]
    first = f"With the guard, and the GIL {gil}, the result was right in {right} of {total} runs"
    if speeds:
        first += f", at {' and '.join(speeds)} times the speed of stock CPython"
    endings = [f"{result.workload.package} {result.of(FORCED_OFF).result()}" for result in results]
    text = f"{first}. With the GIL off and no guard: {'; '.join(endings)}."
    return textwrap.fill(text, WIDTH)


def _speed_phrase(result: Result) -> str:
    return f"{result.speed(result.of(GUARDED)):.2f} ({result.workload.package})"
