"""The report as one page for a browser, which needs no network and no other file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pythonnogil import _report_charts
from pythonnogil._markup import Element, node, serialized, verbatim
from pythonnogil._report_document import THRESHOLDS
from pythonnogil._report_text import costliest, full_name, head, is_of_interest
from pythonnogil._stats import ModuleMeasures as Module
from pythonnogil._stats import Overlap, Stats
from pythonnogil._units import count, duration, share, size

# Tells the browser what the page promises: nothing is loaded from anywhere.
_CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_FOLDER = Path(__file__).parent
_TIMES = ("total", "p50", "p99", "p99.9", "max")


@dataclass(frozen=True)
class _Cell:
    """What a table shows, and what it is sorted by."""

    text: str
    key: float | None = None  # None: by the text
    alarm: str = ""


@dataclass(frozen=True)
class _Column:
    heading: str
    cell: Callable[[Any], _Cell]


def page(report: Stats) -> str:
    """The page as text."""
    command = " ".join(report["program"]["command"]) or "python"
    root = node("html", _head_element(command), _body(report, command), lang="en")
    return serialized(root)


def _head_element(command: str) -> Element:
    policy = {"http_equiv": "Content-Security-Policy", "content": _CONTENT_POLICY}
    return node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", **policy),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("meta", name="color-scheme", content="light dark"),
        node("title", f"pythonnogil: {command}"),
        verbatim("style", _resource("report_page.css")),
    )


def _body(report: Stats, command: str) -> Element:
    shown = costliest([item for item in report["modules"] if is_of_interest(item)])
    called = [item for item in shown if item["calls"]]
    main = node("main", *_charts(called), *_tables(report, shown))
    script = verbatim("script", _resource("report_page.js"))
    return node("body", _header(report, command), main, script)


def _header(report: Stats, command: str) -> Element:
    facts = node("dl")
    for label, text in head(report["program"]):
        facts.append(node("div", node("dt", label), node("dd", text)))
    memory = report["memory"]
    used = (
        f"{size(memory['recorder_bytes'])} for the figures, "
        f"{size(memory['entries_bytes'])} for the entries"
    )
    facts.append(node("div", node("dt", "memory"), node("dd", used)))
    return node("header", node("h1", "What the guard cost"), facts)


def _charts(called: Sequence[Module]) -> Iterator[Element]:
    if called:
        yield node("section", *_report_charts.charts(called), class_="charts")


def _tables(report: Stats, shown: Sequence[Module]) -> Iterator[Element]:
    if not report["program"]["recording"]:
        yield node("p", "Nothing was measured: recording was off. PYTHONNOGIL_REPORT turns it on.")
    if shown:
        yield _section("Modules", _MODULES, shown)
    else:
        yield node("p", "No legacy module was loaded.")
    functions = [_with_module(module, item) for module in shown for item in module["functions"]]
    if functions:
        yield _section("Functions", _FUNCTIONS, functions)
    if report["overlaps"]:
        title = "Entries that overlapped without a guard"
        yield _section(title, _OVERLAPS, report["overlaps"])
    rest = [item["name"] for item in report["modules"] if not is_of_interest(item)]
    if rest:
        title = f"{len(rest)} not guarded, and need not be"
        yield node("details", node("summary", title), node("p", ", ".join(rest)))


def _section(title: str, columns: Sequence[_Column], items: Sequence[Any]) -> Element:
    heading = node("tr", *(node("th", column.heading, scope="col") for column in columns))
    body = node("tbody", *(_row(columns, item) for item in items))
    table = node("table", node("caption", title), node("thead", heading), body)
    # Focus lets those scroll it who use no mouse.
    frame = node("div", table, class_="frame", tabindex="0", role="region", aria_label=title)
    return node("section", node("h2", title), frame)


def _row(columns: Sequence[_Column], item: Any) -> Element:
    row = node("tr")
    for index, column in enumerate(columns):
        cell = column.cell(item)
        attributes = {} if cell.key is None else {"data_key": f"{cell.key!r}"}
        classes = " ".join(filter(None, ("" if cell.key is None else "number", cell.alarm)))
        if classes:
            attributes["class_"] = classes
        if index == 0:
            row.append(node("th", cell.text, scope="row", **attributes))
        else:
            row.append(node("td", cell.text, **attributes))
    return row


def _with_module(module: Module, function: Any) -> dict[str, Any]:
    return {**function, "full_name": full_name(module, function)}


@cache
def _resource(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _named(key: str) -> Callable[[Any], _Cell]:
    return lambda item: _Cell(item[key] or "-")


def _counted(*keys: str, alarm: str = "") -> Callable[[Any], _Cell]:
    def cell(item: Any) -> _Cell:
        for key in keys:
            item = item[key]
        return _Cell(count(item), item, alarm if item else "")

    return cell


def _timed(what: str, key: str) -> Callable[[Any], _Cell]:
    return lambda item: _Cell(duration(item[what][key]), item[what][key])


def _longest(key: str) -> Callable[[Any], _Cell]:
    def cell(item: Any) -> _Cell:
        longest = item[key]
        return _Cell(longest["function"] if longest is not None else "-")

    return cell


def _same_object(item: Overlap) -> _Cell:
    return _Cell("yes" if item["same_object"] else "no")


_MEASURES = (
    _Column("calls", _counted("calls")),
    _Column("waits", _counted("waits")),
    _Column(
        "contended", lambda item: _Cell(share(item["contended_share"]), item["contended_share"])
    ),
    *(_Column(f"hold {key}", _timed("hold", key)) for key in _TIMES),
    *(_Column(f"wait {key}", _timed("wait", key)) for key in _TIMES),
    *(
        _Column(
            f"over {key.replace('ms', ' ms')}",
            _counted("waits_over", key, alarm={"16ms": "late", "100ms": "too-late"}.get(key, "")),
        )
        for key in THRESHOLDS
    ),
)
_MODULES = (
    _Column("module", _named("name")),
    _Column("verdict", _named("verdict")),
    _Column("mode", _named("mode")),
    _Column("scope", _named("scope")),
    _Column("domain", _named("domain")),
    _Column("entries", _counted("entries", "guarded")),
    _Column("open", _counted("entries", "open")),
    *_MEASURES,
    _Column("longest hold", _longest("longest_hold")),
    _Column("longest wait", _longest("longest_wait")),
    _Column("file", _named("file")),
)
_FUNCTIONS = (
    _Column("function", _named("full_name")),
    _Column("kind", _named("kind")),
    *_MEASURES,
)
_OVERLAPS = (
    _Column("module", _named("module")),
    _Column("first", _named("first")),
    _Column("second", _named("second")),
    _Column("same object", _same_object),
    _Column("times", _counted("count")),
)
