"""``python -m pythonnogil report``: the table, JSON, and what it does with files that are none."""

import copy
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
import report_documents
from processes import Finished, run_python

from pythonnogil import _report_document, _report_text, _units

GOLDEN = Path(__file__).parent / "golden"
COLOUR = re.compile(r"\x1b\[[0-9]*m")


def report(*words: str | os.PathLike[str], **how: Any) -> Finished:
    return run_python("-m", "pythonnogil", "report", *words, **how)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """An ordinary report."""
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report_documents.sample()))
    return file


def on_terminal(file: Path, width: int, **settings: str) -> list[str]:
    """What the command prints on a terminal of this width."""
    code = f"""
import fcntl, os, pty, struct, sys, termios
os.environ.pop("COLUMNS", None)  # it would beat the terminal's own width
os.environ.update({settings!r})
child, terminal = pty.fork()
if not child:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("4H", 50, {width}, 0, 0))
    os.execv(sys.executable, [sys.executable, "-m", "pythonnogil", "report", sys.argv[1]])
text = b""
try:
    while data := os.read(terminal, 65536):
        text += data
except OSError:
    pass
sys.stdout.buffer.write(text)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run_python("-c", code, file)
    return done.lines()


def test_table(saved: Path) -> None:
    done = report(saved)
    assert (done.rc, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / "report.txt").read_text()
    assert report(saved, "--text") == done


def test_json(saved: Path) -> None:
    """To the letter: the order of the keys is part of what is promised."""
    done = report("--json", saved)
    assert (done.rc, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / "report.json").read_text()
    assert json.loads(done.stdout) == json.loads(saved.read_text())


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(saved: Path, width: int) -> None:
    lines = [COLOUR.sub("", line) for line in on_terminal(saved, width, TERM="xterm")]
    assert max(map(len, lines)) <= max(width, 72)  # the head says what it has to say
    tables = [line for line in lines if line.startswith("  ")]
    assert max(map(len, tables)) <= width
    assert any("lxml.etree" in line for line in tables)
    headings = [line.split() for line in tables if line.startswith("  module")]
    assert len(headings) == 4
    # What a table is about stays, however narrow it is.
    for words, wanted in zip(headings, ("waits", "max", "max", "times"), strict=True):
        assert wanted in words


def test_long_names_are_shortened_from_the_left(tmp_path: Path) -> None:
    name = "a.very.long.name.of.a.module." * 5 + "end"
    file = tmp_path / "report.json"
    function = report_documents.function("Type.method", 10, 5, 1e-6, 1e-3)
    file.write_text(json.dumps(report_documents.document(report_documents.module(name, function))))
    lines = on_terminal(file, 80, TERM="xterm", NO_COLOR="1")
    assert max(map(len, lines)) <= 80
    assert any(re.match(r"  \.\.\.\S+\.end\.Type\.method ", line) for line in lines)


def test_colours_on_a_terminal_that_wants_them(saved: Path) -> None:
    assert any(COLOUR.search(line) for line in on_terminal(saved, 120, TERM="xterm"))
    for settings in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        assert not any(COLOUR.search(line) for line in on_terminal(saved, 120, **settings))
    assert not COLOUR.search(report(saved).stdout)


def test_a_width_that_was_asked_for(saved: Path) -> None:
    lines = on_terminal(saved, 200, TERM="dumb", COLUMNS="80")
    assert max(map(len, lines)) <= 80


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report_documents.hostile()))
    done = report(file)
    assert done.rc == 0
    assert done.stdout.replace("\n", "").isprintable()
    assert "\\x1b[31mred\\x07\\nnext line" in done.stdout


def test_nothing_measured_and_nothing_loaded() -> None:
    empty = report_documents.document()
    empty["program"]["recording"] = False
    lines = list(_report_text.lines(_report_document.checked(empty)))
    assert "No legacy module was loaded." in lines
    assert "Nothing was measured: recording was off. PYTHONNOGIL_REPORT turns it on." in lines


def test_the_ten_that_cost_most() -> None:
    functions = [
        report_documents.function(f"f{number}", 10, 0, number * 1e-6, 0.0) for number in range(30)
    ]
    document = report_documents.document(report_documents.module("m", *functions))
    lines = list(_report_text.lines(_report_document.checked(document)))
    place = lines.index("Functions that held the lock longest (10 of 29)")
    names = [line.split()[0] for line in lines[place + 2 :]]
    assert names == [f"m.f{number}" for number in range(29, 19, -1)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (5e-10, "0.50 ns"),
        (1e-9, "1 ns"),
        (9.994e-8, "99.9 ns"),
        (9.999e-7, "1.00 us"),
        (1.25e-3, "1.25 ms"),
        (0.0999, "99.9 ms"),
        (0.99999, "1.00 s"),
        (4321.0, "4,320 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert _units.duration(seconds) == text


def test_other_units() -> None:
    assert [_units.size(number) for number in (0, 12, 2048, 5 << 20)] == [
        "0 B",
        "12 B",
        "2.00 KiB",
        "5.00 MiB",
    ]
    assert [_units.share(part) for part in (0, 1e-6, 0.5, 1)] == ["0", "<0.1%", "50.0%", "100.0%"]
    powers = [_units.power_of_ten(exponent) for exponent in (-10, -9, -7, -3, -1, 0, 3)]
    assert powers == ["0.1 ns", "1 ns", "100 ns", "1 ms", "100 ms", "1 s", "1000 s"]


def damaged(path: tuple[str | int, ...], value: object) -> str:
    """A report in which one value is another, or is gone when *value* is Ellipsis."""
    document: Any = report_documents.sample()
    *steps, last = path
    place = document
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document)


MODULE = ("modules", 0)
BAD_FILES = {
    "": "is not JSON: Expecting value",
    "{": "is not JSON: ",
    "[" * 100_000: "is not JSON: ",
    "[]": 'is no report: it has no "schema": "pythonnogil-report"',
    '{"schema": 1}': 'is no report: it has no "schema": "pythonnogil-report"',
    '{"schema": "pythonnogil-report"}': "is a report of version None, and this is for version 1; "
    "use the pythonnogil that wrote it",
    damaged(("version",), 2): "is a report of version 2, and this is for version 1; use the ",
    damaged(("program",), ...): "is a damaged report: program is missing",
    damaged(("program",), []): "is a damaged report: program is not an object",
    damaged(("program", "command"), [1]): "is a damaged report: program.command[0] is not a text",
    damaged(("program", "recording"), 1): "is a damaged report: program.recording is not true or ",
    damaged(("modules",), {}): "is a damaged report: modules is not a list",
    damaged((*MODULE, "calls"), ...): "is a damaged report: modules[0].calls is missing",
    damaged((*MODULE, "calls"), True): "is a damaged report: modules[0].calls is not a whole ",
    damaged((*MODULE, "calls"), 10**400): "is a damaged report: modules[0].calls is not a whole ",
    damaged((*MODULE, "wait", "max"), float("nan")): "modules[0].wait.max is not a number",
    damaged((*MODULE, "wait", "p50"), -1): "modules[0].wait.p50 is not a number, not negative",
    damaged((*MODULE, "longest_hold"), "f"): "modules[0].longest_hold is not an object",
    damaged(
        (*MODULE, "functions", 1, "hold"), None
    ): "modules[0].functions[1].hold is not an object",
    damaged(("overlaps", 0, "count"), 1.5): "overlaps[0].count is not a whole number",
}


@pytest.mark.parametrize("number", range(len(BAD_FILES)))
@pytest.mark.parametrize("way", ["--text", "--json", "--html=page.html"])
def test_files_that_are_no_report(tmp_path: Path, number: int, way: str) -> None:
    text, line = list(BAD_FILES.items())[number]
    (tmp_path / "bad.json").write_text(text)
    done = report(way, "bad.json", cwd=tmp_path)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr.startswith("pythonnogil: report: bad.json is ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"\x7fELF\xff\xfe")
    done = report("bad.json", cwd=tmp_path)
    assert done.rc == 2
    assert done.stderr.startswith("pythonnogil: report: bad.json is not JSON: ")


def test_any_damage_is_found_or_does_no_harm() -> None:
    chance = random.Random(5)
    values: list[Any] = [None, [], {}, "x", -1, 0, 1.5, 10**30, True, float("inf")]

    def damage(value: Any) -> Any:
        if isinstance(value, dict) and value and chance.random() < 0.9:
            key = chance.choice(list(value))
            return {**value, key: damage(value[key])}
        if isinstance(value, list) and value and chance.random() < 0.9:
            place = chance.randrange(len(value))
            return [*value[:place], damage(value[place]), *value[place + 1 :]]
        return chance.choice(values)

    from pythonnogil import _report_page

    for _ in range(500):
        document = damage(copy.deepcopy(report_documents.sample()))
        try:
            found = _report_document.checked(document)
        except _report_document.ReportError as error:
            assert "\n" not in str(error)
            continue
        assert list(_report_text.lines(found, 80, True))
        assert _report_page.page(found)
        assert _report_document.as_json(found)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "report: name one FILE"),
        (["a", "b"], "report: name one FILE"),
        (["--fast", "a"], "report: unknown option --fast"),
        (["a", "--html"], "report: --html needs a value"),
        (["a", "--text", "--json"], "report: --text and --json exclude each other"),
        (["a", "--html=b", "--json"], "report: --html and --json exclude each other"),
        (["absent.json"], "report: cannot read absent.json: No such file or directory"),
        (["."], "report: cannot read .: Is a directory"),
    ],
)
def test_wrong_use(tmp_path: Path, words: list[str], line: str) -> None:
    assert report(*words, cwd=tmp_path) == Finished(2, "", f"pythonnogil: {line}\n")


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("absent/page.html", "No such file or directory"),
        ("/dev/full", "No space left on device"),
        (".", "Is a directory"),
    ],
)
def test_a_page_that_cannot_be_written(saved: Path, out: str, why: str) -> None:
    done = report(saved, "--html", out, cwd=saved.parent)
    line = f"pythonnogil: report: cannot write {out}: {why}\n"
    assert done == Finished(2, "", line)
    assert list(saved.parent.iterdir()) == [saved]


def test_newer_keys_do_no_harm(saved: Path) -> None:
    document = json.loads(saved.read_text())
    document["modules"][0]["colour"] = "blue"
    saved.write_text(json.dumps(document))
    assert report(saved).stdout == (GOLDEN / "report.txt").read_text()
    assert json.loads(report(saved, "--json").stdout) == document
