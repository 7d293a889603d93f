"""The report as text for a terminal: modules first, then the functions that cost most."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pythonnogil._report_document import THRESHOLDS, figures
from pythonnogil._stats import ModuleMeasures as Module
from pythonnogil._stats import Overlap, Program, Stats
from pythonnogil._text_table import Column, printable, table
from pythonnogil._units import count, duration, share, size

if TYPE_CHECKING:
    from pythonnogil._core import FunctionMeasures as Function
    from pythonnogil._core import Longest, Measures

_FUNCTIONS = 10  # of each of the two lists
_TITLE = "pythonnogil report"
_BOLD = "\x1b[1m{}\x1b[0m"
_YELLOW, _RED = "33", "31"

_WAITS_OVER = (
    Column("> 1 ms", 4),
    Column("> 5 ms", 4),
    Column("> 16 ms", 2, alarm=_YELLOW),
    Column("> 100 ms", 2, alarm=_RED),
)
_TIMES = (Column("total", 1), Column("p50", 3), Column("p99", 2), Column("p99.9", 5), Column("max"))
_MODULE = (
    Column("module", is_name=True),
    Column("verdict", 4, is_name=True),
    Column("mode", 5, is_name=True),
    Column("scope", 2, is_name=True),
    Column("domain", 6, is_name=True),
    Column("entries", 3),
    Column("open", 1),
    Column("calls"),
    Column("waits"),
    Column("contended", 1),
)
_MODULE_WAITS = (
    Column("module", is_name=True),
    Column("waits", 1),
    *_TIMES,
    *_WAITS_OVER,
    Column("longest in", 6, is_name=True),
)
_MODULE_HOLDS = (
    Column("module", is_name=True),
    Column("calls", 1),
    *_TIMES,
    Column("longest in", 4, is_name=True),
)
_FUNCTION_HOLDS = (Column("function", is_name=True), Column("calls", 1), *_TIMES)
_FUNCTION_WAITS = (
    Column("function", is_name=True),
    Column("waits", 1),
    Column("contended", 6),
    *_TIMES,
    *_WAITS_OVER,
)
_OVERLAP = (
    Column("module", is_name=True),
    Column("first", is_name=True),
    Column("second", is_name=True),
    Column("same object", 1),
    Column("times"),
)


def lines(report: Stats, width: int | None = None, colour: bool = False) -> Iterator[str]:
    """The report for a terminal of this width, or without limit."""

    def section(title: str, columns: Sequence[Column], rows: list[list[str]]) -> Iterator[str]:
        yield ""
        yield _BOLD.format(title) if colour else title
        yield from table(columns, rows, width, colour)

    yield _BOLD.format(_TITLE) if colour else _TITLE
    yield from _head(report)
    shown = costliest([item for item in report["modules"] if is_of_interest(item)])
    if shown:
        yield from section("Modules", _MODULE, [_module_row(item) for item in shown])
    yield from _remark_on_modules(report, len(shown))
    called = [item for item in shown if item["calls"]]
    if called:
        rows = [_wait_row(item) for item in called]
        yield from section("Waits for the lock", _MODULE_WAITS, rows)
        rows = [_hold_row(item) for item in called]
        yield from section("Holds of the lock", _MODULE_HOLDS, rows)
        yield from _function_sections(shown, section)
    if report["overlaps"]:
        rows = [_overlap_row(item) for item in report["overlaps"]]
        yield from section("Entries that overlapped without a guard", _OVERLAP, rows)


def is_of_interest(module: Module) -> bool:
    """Whether there is anything to tell of a module; of a declared one there mostly is not."""
    entries = module["entries"]
    return bool(entries["guarded"] or entries["open"] or module["calls"])


def costliest(modules: Sequence[Module]) -> list[Module]:
    """The modules whose holds and waits took longest in sum first."""
    return sorted(modules, key=lambda item: -(item["hold"]["total"] + item["wait"]["total"]))


def head(program: Program) -> Iterator[tuple[str, str]]:
    """What is known of the process, each with its label."""
    yield "program", " ".join(program["command"]) or "(interactive)"
    yield "process", f"{program['pid']}, started {program['started']}"
    yield "ran for", duration(program["seconds"])
    yield "python", f"{program['python']}, {program['executable']}"
    yield "mode", f"{program['mode']}, the GIL is {'on' if program['gil_enabled'] else 'off'}"


def slowest(modules: Sequence[Module], what: str) -> "list[tuple[Module, Function]]":
    """The functions that held the lock, or waited for it, longest in sum: hold or wait."""
    pairs = [(module, item) for module in modules for item in module["functions"]]
    pairs = [pair for pair in pairs if figures(pair[1], what)["total"] > 0]
    return sorted(pairs, key=lambda pair: -figures(pair[1], what)["total"])


def _head(report: Stats) -> Iterator[str]:
    for label, text in head(report["program"]):
        yield f"{label:9}{printable(text)}"
    memory = report["memory"]
    yield (
        f"{'memory':9}{size(memory['recorder_bytes'])} for the figures, "
        f"{size(memory['entries_bytes'])} for the entries"
    )


def _remark_on_modules(report: Stats, shown: int) -> Iterator[str]:
    rest = len(report["modules"]) - shown
    if rest or not shown:
        yield ""
    if not shown:
        yield "No legacy module was loaded."
    if rest:
        yield f"{rest} {'module is' if rest == 1 else 'modules are'} not guarded and need not be."
    if not report["program"]["recording"]:
        yield ""
        yield "Nothing was measured: recording was off. PYTHONNOGIL_REPORT turns it on."


def _function_sections(
    modules: Sequence[Module], section: Callable[..., Iterator[str]]
) -> Iterator[str]:
    for what, title, columns, row in (
        ("hold", "Functions that held the lock longest", _FUNCTION_HOLDS, _function_hold_row),
        ("wait", "Functions that waited longest", _FUNCTION_WAITS, _function_wait_row),
    ):
        found = slowest(modules, what)
        if found:
            more = f" ({_FUNCTIONS} of {len(found)})" if len(found) > _FUNCTIONS else ""
            rows = [row(*pair) for pair in found[:_FUNCTIONS]]
            yield from section(f"{title}{more}", columns, rows)


def _module_row(module: Module) -> list[str]:
    return [
        printable(module["name"]),
        printable(module["verdict"]),
        printable(module["mode"]),
        printable(module["scope"] or "-"),
        printable(module["domain"] or "-"),
        count(module["entries"]["guarded"]),
        count(module["entries"]["open"]),
        count(module["calls"]),
        count(module["waits"]),
        share(module["contended_share"]),
    ]


def _wait_row(module: Module) -> list[str]:
    return [
        printable(module["name"]),
        count(module["waits"]),
        *_times(module, "wait"),
        *_over(module),
        _longest(module["longest_wait"]),
    ]


def _hold_row(module: Module) -> list[str]:
    return [
        printable(module["name"]),
        count(module["calls"]),
        *_times(module, "hold"),
        _longest(module["longest_hold"]),
    ]


def _function_hold_row(module: Module, function: "Function") -> list[str]:
    return [full_name(module, function), count(function["calls"]), *_times(function, "hold")]


def _function_wait_row(module: Module, function: "Function") -> list[str]:
    return [
        full_name(module, function),
        count(function["waits"]),
        share(function["contended_share"]),
        *_times(function, "wait"),
        *_over(function),
    ]


def _overlap_row(overlap: Overlap) -> list[str]:
    return [
        *(printable(text) for text in (overlap["module"], overlap["first"], overlap["second"])),
        "yes" if overlap["same_object"] else "no",
        count(overlap["count"]),
    ]


def full_name(module: Module, function: "Function") -> str:
    """A function with its module."""
    return printable(f"{module['name']}.{function['name']}")


def _times(measures: "Measures", what: str) -> list[str]:
    times = figures(measures, what)
    return [duration(times[key]) for key in ("total", "p50", "p99", "p99.9", "max")]


def _over(measures: "Measures") -> list[str]:
    over = figures(measures, "waits_over")
    return [count(over[key]) for key in THRESHOLDS]


def _longest(longest: "Longest | None") -> str:
    return printable(longest["function"]) if longest is not None else "-"
