"""The pytest plugin: ``pytest -p pythonnogil`` fails a run in which the GIL came on.

Under pytest-xdist every worker watches its own process and reports to the controller.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

import pythonnogil
from pythonnogil import _gil_state, _report_output, _report_text, _startup
from pythonnogil._gil_watch import Culprit, GilWatch

_COLUMNS = ("module", "verdict", "mode", "scope", "entries")
_WORKER_KEY = "pythonnogil"


class _Findings:
    """What one process, or all of them together, found; plain values, since workers send them."""

    def __init__(self) -> None:
        self.culprits: dict[str, list[str]] = {}
        self.gil_came_on = False
        self.rows: dict[str, list[str]] = {}
        # By the name of the worker. As JSON, because not every text can be sent as it is.
        self.reports: dict[str, str] = {}

    def look(self, watch: GilWatch, worker: str, wants_report: bool) -> None:
        """Take in what this process shows."""
        if wants_report:
            self.reports[worker] = json.dumps(pythonnogil.stats())
        self.gil_came_on = watch.gil_came_on()
        for culprit in watch.culprits() if self.gil_came_on else ():
            self.culprits.setdefault(culprit.extension.path, _lines(culprit))
        for info in pythonnogil.modules():
            row = [info["name"], info["verdict"], info["mode"], info["scope"], info["entries"]]
            self.rows[f"{info['name']} {info['path']}"] = [str(cell) for cell in row]

    def add(self, other: dict[str, Any]) -> None:
        """Take in what a worker sent."""
        self.gil_came_on |= other["gil_came_on"]
        self.culprits = other["culprits"] | self.culprits
        self.rows |= other["rows"]
        self.reports |= other["reports"]


_WATCH = pytest.StashKey[GilWatch]()
_FINDINGS = pytest.StashKey[_Findings]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("pythonnogil", "pythonnogil: legacy extensions without the GIL")
    group.addoption(
        "--nogil-mode",
        choices=_startup.MODES,
        help="mode that extensions are loaded in, here and in child processes",
    )
    group.addoption(
        "--nogil-report",
        action="store_true",
        help="after the tests, print which extensions were loaded, and how long calls waited for "
        "the guard and held it",
    )
    # Not --nogil-report[=FILE]: then "--nogil-report test_it.py" would write over the tests.
    group.addoption(
        "--nogil-report-file",
        metavar="FILE",
        help="write the report of waits and holds into FILE: as JSON, a page or a table, depending "
        "on whether its name ends with .json, .html or anything else; pytest-xdist's workers put "
        "their names before that",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before the first conftest is imported."""
    options = early_config.known_args_namespace
    _begin(
        early_config, options.nogil_mode, bool(options.nogil_report or options.nogil_report_file)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin in workers, and where a conftest names the plugin."""
    _begin(config, config.getoption("nogil_mode", None), _wants_report(config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop watching."""
    if _WATCH in config.stash:
        config.stash[_WATCH].stop()


def pytest_report_header(config: pytest.Config) -> str:
    """The mode, and whether there is a GIL to watch."""
    state = "the GIL is off"
    if config.stash[_WATCH].is_idle:
        asked_by = _gil_state.request() if _gil_state.FREE_THREADED else "this build of CPython"
        state = f"the GIL is on by {asked_by}, so there is nothing to watch"
    return f"pythonnogil: mode {pythonnogil.mode()}, {state}"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if the GIL came on; a worker tells its controller instead."""
    config = session.config
    findings = config.stash[_FINDINGS]
    mine = _Findings()
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    mine.look(config.stash[_WATCH], worker, _wants_report(config))
    findings.add(vars(mine))
    if hasattr(config, "workeroutput"):
        config.workeroutput[_WORKER_KEY] = vars(findings)
    elif findings.gil_came_on and session.exitstatus in (
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear of a worker of pytest-xdist; one that crashed tells nothing."""
    sent = getattr(node, "workeroutput", {}).get(_WORKER_KEY)
    if sent is not None:
        node.config.stash[_FINDINGS].add(sent)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name the culprits, and print the table that was asked for."""
    findings = config.stash[_FINDINGS]
    if findings.gil_came_on:
        terminalreporter.section("pythonnogil: the GIL came on", red=True)
        for lines in findings.culprits.values():
            for line in lines:
                terminalreporter.line(line)
        if not findings.culprits:
            terminalreporter.line("No extension was seen that could have turned it on.")
    if config.getoption("nogil_report"):
        terminalreporter.section("pythonnogil: extensions")
        for line in _table(list(findings.rows.values())):
            terminalreporter.line(line)
    for worker, report in _reports(findings):
        _show(terminalreporter, config, worker, report)


def _wants_report(config: pytest.Config) -> bool:
    return bool(config.getoption("nogil_report") or config.getoption("nogil_report_file"))


def _reports(findings: _Findings) -> list[tuple[str, Any]]:
    """What was measured, by worker; where there are workers, the controller ran no tests."""
    found = [(worker, json.loads(text)) for worker, text in sorted(findings.reports.items())]
    return [pair for pair in found if pair[0]] or found


def _show(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config, worker: str, report: Any
) -> None:
    if config.getoption("nogil_report"):
        terminalreporter.section(f"pythonnogil: report{f' of {worker}' if worker else ''}")
        writer = config.get_terminal_writer()
        width = writer.fullwidth if terminalreporter.isatty else None
        for line in _report_text.lines(report, width, writer.hasmarkup):
            terminalreporter.line(line)
    file = config.getoption("nogil_report_file")
    if file:
        stem, ending = os.path.splitext(config.invocation_params.dir / file)
        path = f"{stem}.{worker}{ending}" if worker else f"{stem}{ending}"
        try:
            _report_output.write(_report_output.rendering(path)(report), path)
        except OSError as error:
            text = f"pythonnogil: cannot write the report to {path}: {error.strerror}"
            terminalreporter.line(text, red=True)


def _begin(config: pytest.Config, mode: str | None, wants_report: bool) -> None:
    if _WATCH in config.stash:
        return
    if mode is not None:
        _use_mode(mode)
    if wants_report:
        _start_recording()
    config.stash[_FINDINGS] = _Findings()
    config.stash[_WATCH] = GilWatch()
    config.stash[_WATCH].start()


def _start_recording() -> None:
    try:
        pythonnogil.start_recording()
    except _startup.HookError as error:
        raise pytest.UsageError(str(error)) from error


def _use_mode(mode: str) -> None:
    if _startup.mode_from_command_line() and mode != _startup.mode():
        raise pytest.UsageError(
            f"two modes at once: {_startup.mode_option()} and --nogil-mode {mode}; keep one of them"
        )
    try:
        _startup.use(mode)
    except (ValueError, _startup.HookError) as error:
        raise pytest.UsageError(str(error)) from error
    _startup.hand_on_to_children(mode, None)


def _lines(culprit: Culprit) -> list[str]:
    extension = culprit.extension
    chain = " -> ".join([*culprit.chain, extension.name])
    if not culprit.chain:
        chain = f"{extension.name}, imported before the plugin or by native code"
    return [
        f"module {extension.name}: {extension.verdict}",
        f"  file          {extension.path}",
        f"  distribution  {extension.distribution or 'unknown'}",
        f"  imported by   {chain}",
    ]


def _table(rows: list[list[str]]) -> Iterator[str]:
    if not rows:
        yield f"none were seen in mode {pythonnogil.mode()}"
        return
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for row in (_COLUMNS, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
