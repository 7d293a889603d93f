"""Saved reports: what `pythonnogil.stats` returned, and whether a file holds such a thing.

The schema is a promise: within a version keys may be added, but none goes away or changes. All
times are seconds.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from pythonnogil._stats import SCHEMA, VERSION, Stats

if TYPE_CHECKING:
    from pythonnogil._core import Measures

THRESHOLDS = ("1ms", "5ms", "16ms", "100ms")


class ReportError(Exception):
    """A file is no report that can be shown; the text is one line without the file's name."""


# What a value may be: a type, a dict of keys, a list of one kind of values, or one of a tuple.
_TIMES = dict.fromkeys(("total", "p50", "p99", "p99.9", "max"), float)
_MEASURES = {
    "calls": int,
    "waits": int,
    "contended_share": float,
    "wait": _TIMES,
    "hold": _TIMES,
    "waits_over": dict.fromkeys(THRESHOLDS, int),
}
_LONGEST = ({"function": str, "seconds": float}, None)
_SHAPE = {
    "program": {
        "command": [str],
        "executable": str,
        "python": str,
        "pid": int,
        "started": str,
        "seconds": float,
        "mode": str,
        "gil_enabled": bool,
        "recording": bool,
    },
    "modules": [
        {
            "name": str,
            "file": str,
            "verdict": str,
            "mode": str,
            "scope": (str, None),
            "domain": (str, None),
            "entries": {"guarded": int, "open": int},
            **_MEASURES,
            "longest_hold": _LONGEST,
            "longest_wait": _LONGEST,
            "functions": [{"name": str, "kind": str, **_MEASURES}],
        }
    ],
    "overlaps": [{"module": str, "first": str, "second": str, "same_object": bool, "count": int}],
    "memory": {"recorder_bytes": int, "entries_bytes": int},
}
_NAMES = {str: "a text", int: "a whole number, not negative", float: "a number, not negative"}
_LARGEST = 2.0**64


def figures(measures: "Measures", what: str) -> dict[str, Any]:
    """One group of the measures, by its name: wait, hold or waits_over."""
    return cast(dict[str, dict[str, Any]], measures)[what]


def read(file: str) -> Stats:
    """The report in *file*. Raises OSError and ReportError."""
    with open(file, "rb") as stream:
        data = stream.read()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise ReportError(f"is not JSON: {text}") from error
    return checked(document)


def checked(document: Any) -> Stats:
    """The same document, if it is a report. Raises ReportError."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ReportError(f'is no report: it has no "schema": "{SCHEMA}"')
    if document.get("version") != VERSION:
        raise ReportError(
            f"is a report of version {document.get('version')!r:.20}, and this is for version "
            f"{VERSION}; use the pythonnogil that wrote it"
        )
    for problem in _problems(document, _SHAPE, ""):
        raise ReportError(f"is a damaged report: {problem}")
    return cast(Stats, document)


def as_json(report: Stats) -> str:
    """The report as a saved file holds it."""
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def _problems(value: Any, shape: Any, place: str) -> Iterator[str]:
    """What is wrong with *value*, in the order of the shape."""
    if isinstance(shape, tuple):
        if value is not None:
            yield from _problems(value, shape[0], place)
    elif isinstance(shape, dict):
        yield from _problems_of_object(value, shape, place)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{place} is not a list"
            return
        for index, item in enumerate(value):
            yield from _problems(item, shape[0], f"{place}[{index}]")
    elif not _fits(value, shape):
        yield f"{place} is not {_NAMES.get(shape, 'true or false')}"


def _problems_of_object(value: Any, shape: dict[str, Any], place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place or 'it'} is not an object"
        return
    for key, inner in shape.items():
        where = f"{place}.{key}".lstrip(".")
        if key in value:
            yield from _problems(value[key], inner, where)
        else:
            yield f"{where} is missing"


def _fits(value: Any, kind: type) -> bool:
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, (int, kind)):
            return False
        return 0 <= value < _LARGEST  # neither infinite nor NaN
    return isinstance(value, kind)
