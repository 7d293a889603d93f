"""Reports of running programs: at exit and on a signal, asked for by options and variables."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from page_checker import Page
from processes import Finished, clean_environment, run_python

from pythonnogil import _report_document

# Calls the guarded fixture so often, and no other.
PROGRAM = """
import sys, timed_holds
for _ in range(7):
    timed_holds.nothing()
assert not sys._is_gil_enabled()
"""
TITLE = "pythonnogil report\n"
UNWRITABLE = {
    "absent/report.json": "No such file or directory",
    "/dev/full": "No space left on device",
    "folder.html": "Is a directory",
}


@pytest.fixture
def program(extensions: Path, tmp_path: Path) -> "Program":
    return Program(extensions, tmp_path)


class Program:
    """Runs code that may import the fixtures, in a folder of its own."""

    def __init__(self, extensions: Path, folder: Path) -> None:
        self.extensions = extensions
        self.folder = folder

    def run(self, code: str, *options: str, **settings: str) -> Finished:
        (self.folder / "program.py").write_text(code)
        return run_python(*options, "program.py", cwd=self.folder, env=self.environment(**settings))

    def environment(self, **settings: str) -> dict[str, str]:
        return clean_environment(PYTHONPATH=self.extensions, **settings)

    def reports(self) -> dict[str, Any]:
        """What was left behind, by the names of the files; all of it well-formed."""
        return {
            file.name: _report_document.read(str(file))
            for file in sorted(self.folder.glob("*.json"))
        }


def calls(report: Any, function: str = "nothing") -> int:
    """How often a function of the fixture was called."""
    found = [item for item in report["modules"] if item["name"] == "timed_holds"]
    functions = [item for module in found for item in module["functions"]]
    return sum(item["calls"] for item in functions if item["name"] == function)


def test_nothing_unasked(program: Program) -> None:
    assert program.run(PROGRAM) == Finished(0, "", "")
    assert [file.name for file in program.folder.iterdir()] == ["program.py"]


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), {"PYTHONNOGIL_REPORT": "report.json"}),
        (("-X", "nogil-report=report.json"), {}),
        (("-X", "nogil-report=report.json"), {"PYTHONNOGIL_REPORT": "other.json"}),
        ((), {"PYTHONNOGIL_REPORT": "report.json", "PYTHONNOGIL_MODE": "gil"}),
    ],
)
def test_json(program: Program, options: tuple[str, ...], settings: dict[str, str]) -> None:
    assert program.run(PROGRAM, *options, **settings) == Finished(0, "", "")
    reports = program.reports()
    assert list(reports) == ["report.json"]
    assert calls(reports["report.json"]) == 7
    about = reports["report.json"]["program"]
    assert (about["recording"], about["gil_enabled"], about["mode"]) == (True, False, "gil")


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), {"PYTHONNOGIL_REPORT": "-"}),
        (("-X", "nogil-report"), {}),
        (("-X", "nogil-report=-"), {"PYTHONNOGIL_REPORT": "other.json"}),
    ],
)
def test_stderr(program: Program, options: tuple[str, ...], settings: dict[str, str]) -> None:
    done = program.run(PROGRAM, *options, **settings)
    assert (done.rc, done.stdout) == (0, "")
    assert done.stderr.startswith(TITLE)
    rows = [line.split() for line in done.stderr.splitlines()]
    assert ["timed_holds", "legacy", "gil", "process", "process", "7", "0", "7", "0", "0"] in rows
    assert program.reports() == {}


def test_text_and_page(program: Program) -> None:
    for file in ("report.txt", "report.html"):
        assert program.run(PROGRAM, PYTHONNOGIL_REPORT=file) == Finished(0, "", "")
    assert (program.folder / "report.txt").read_text().startswith(TITLE)
    page = Page((program.folder / "report.html").read_text())
    assert page.wrong == []
    assert "timed_holds.nothing" in page.texts


def test_without_the_environment(program: Program) -> None:
    (program.folder / "program.py").write_text(
        f"import sys; sys.path.append({str(program.extensions)!r})\n{PROGRAM}"
    )
    environment = program.environment(
        PYTHONNOGIL_REPORT="other.json", PYTHONNOGIL_REPORT_SIGNAL="X"
    )
    words = ("-I", "-X", "nogil-report=report.json", "program.py")
    done = run_python(*words, cwd=program.folder, env=environment)
    assert done == Finished(0, "", "")
    assert {name: calls(item) for name, item in program.reports().items()} == {"report.json": 7}


def test_without_site(program: Program) -> None:
    package = Path(_report_document.__file__).parents[1]
    (program.folder / "program.py").write_text(PROGRAM)
    environment = clean_environment(
        PYTHONPATH=f"{package}:{program.extensions}", PYTHONNOGIL_REPORT="report.json"
    )
    words = ("-S", "-m", "pythonnogil", "run", "program.py")
    assert run_python(*words, cwd=program.folder, env=environment) == Finished(0, "", "")
    assert calls(program.reports()["report.json"]) == 7


@pytest.mark.parametrize("stream", [0, 1, 2])
@pytest.mark.parametrize("file", ["-", "report.json"])
def test_closed_streams(program: Program, stream: int, file: str) -> None:
    """Closed before the interpreter began, and closed by the program."""
    (program.folder / "program.py").write_text(PROGRAM)
    early = f"""
import os, sys
os.close({stream})
os.execv(sys.executable, [sys.executable, "program.py"])
"""
    environment = program.environment(PYTHONNOGIL_REPORT=file)
    # The starting program is itself asked for a report, which it never comes to.
    done = run_python("-c", early, cwd=program.folder, env=environment)
    assert (done.rc, done.stdout) == (0, "")
    late = program.run(f"import os\n{PROGRAM}\nos.close({stream})", PYTHONNOGIL_REPORT=file)
    assert (late.rc, late.stdout) == (0, "")
    for text in (done.stderr, late.stderr):
        assert text.startswith(TITLE) == (file == "-" and stream != 2)
        assert "Traceback" not in text
    assert [calls(item) for item in program.reports().values()] == [7] * (2 if file != "-" else 0)


def test_streams_that_the_program_replaced(program: Program) -> None:
    code = f"{PROGRAM}\nimport io\nsys.stderr = io.StringIO()\nsys.stderr.close()"
    assert program.run(code, PYTHONNOGIL_REPORT="-") == Finished(0, "", "")


@pytest.mark.parametrize("file", UNWRITABLE)
@pytest.mark.parametrize("code", [0, 7])
def test_files_that_cannot_be_written(program: Program, file: str, code: int) -> None:
    (program.folder / "folder.html").mkdir()
    done = program.run(f"{PROGRAM}\nsys.exit({code})", PYTHONNOGIL_REPORT=file)
    path = program.folder / file  # an absolute one stays
    line = (
        f"pythonnogil: cannot write the report to {path}: {UNWRITABLE[file]}; "
        "nothing else is affected\n"
    )
    assert done == Finished(code, "", line)
    assert {item.name for item in program.folder.iterdir()} == {"program.py", "folder.html"}


def test_an_older_report_stays_when_there_is_no_room(program: Program) -> None:
    (program.folder / "report.json").write_text("older")
    code = f"{PROGRAM}\nimport resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    done = program.run(code, PYTHONNOGIL_REPORT="report.json")
    assert done.rc == 0
    assert done.stderr.count("\n") == 1
    assert "File too large; nothing else is affected" in done.stderr
    assert (program.folder / "report.json").read_text() == "older"
    assert len(list(program.folder.iterdir())) == 2


@pytest.mark.parametrize(
    ("code", "rc"),
    [
        ("sys.exit(7)", 7),
        ("raise ValueError", 1),
        ("import atexit; atexit.register(timed_holds.nothing)", 0),
        ("import os; os.chdir('/')", 0),
        ("import os; os.environ.clear(); sys.path.clear()", 0),
    ],
)
def test_ends_of_programs(program: Program, code: str, rc: int) -> None:
    done = program.run(f"{PROGRAM}\n{code}", PYTHONNOGIL_REPORT="report.json")
    assert (done.rc, done.stdout) == (rc, "")
    assert calls(program.reports()["report.json"]) == (8 if "atexit" in code else 7)


def test_daemon_threads_inside_at_the_end(program: Program) -> None:
    code = f"""
import threading
{PROGRAM}
def forever():
    while True:
        timed_holds.spin(100)
for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
import time
time.sleep(0.2)
"""
    assert program.run(code, PYTHONNOGIL_REPORT="report.json") == Finished(0, "", "")
    assert calls(program.reports()["report.json"], "spin") > 3


FORK = f"""
import os
{PROGRAM}
child = os.fork()
if not child:
    timed_holds.nothing()
    sys.exit(5)
print(child, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("file", ["report.json", "report-%p.json"])
def test_fork(program: Program, file: str) -> None:
    done = program.run(FORK, PYTHONNOGIL_REPORT=file)
    child, code = done.lines()[0].split()
    assert (code, done.stderr) == ("5", "")
    reports = program.reports()
    by_process = {str(report["program"]["pid"]): name for name, report in reports.items()}
    parent = next(pid for pid in by_process if pid != child)
    own = "report.json" if file == "report.json" else f"report-{parent}.json"
    forked = f"report.{child}.json" if file == "report.json" else f"report-{child}.json"
    assert by_process == {parent: own, child: forked}
    assert (calls(reports[own]), calls(reports[forked])) == (7, 1)


def test_fork_prints_both(program: Program) -> None:
    done = program.run(FORK, PYTHONNOGIL_REPORT="-")
    assert done.rc == 0
    assert done.stderr.count(TITLE) == 2


MULTIPROCESSING = f"""
import multiprocessing, sys
def work():
    import timed_holds
    timed_holds.nothing()
if __name__ == "__main__":
    {PROGRAM.replace(chr(10), chr(10) + "    ")}
    process = multiprocessing.get_context(sys.argv[1]).Process(target=work)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.parametrize("way", ["variable", "option"])
def test_children_of_multiprocessing(program: Program, method: str, way: str) -> None:
    (program.folder / "program.py").write_text(MULTIPROCESSING)
    settings = {"PYTHONNOGIL_REPORT": "report.json"} if way == "variable" else {}
    options = ["-X", "nogil-report=report.json"] if way == "option" else []
    done = run_python(
        *options, "program.py", method, cwd=program.folder, env=program.environment(**settings)
    )
    assert done == Finished(0, "", "")
    reports = program.reports()
    assert calls(reports.pop("report.json")) == 7
    # The helpers of multiprocessing are processes of their own and load no extension.
    assert sorted(calls(report) for report in reports.values())[-1] == 1
    for name, report in reports.items():
        assert name == f"report.{report['program']['pid']}.json"


def test_children_in_another_folder(program: Program) -> None:
    code = f"""
import os, subprocess
{PROGRAM}
os.mkdir("below")
subprocess.run([sys.executable, "-c", "import timed_holds"], cwd="below", check=True)
"""
    assert program.run(code, PYTHONNOGIL_REPORT="report.json") == Finished(0, "", "")
    assert sorted(calls(report) for report in program.reports().values()) == [0, 7]


def test_subinterpreters_write_no_reports(program: Program) -> None:
    code = f"""
import _interpreters
{PROGRAM}
interpreter = _interpreters.create("legacy")
_interpreters.exec(interpreter, "import sys")
_interpreters.destroy(interpreter)
import glob
assert glob.glob("*.json") == []
"""
    assert program.run(code, PYTHONNOGIL_REPORT="report.json") == Finished(0, "", "")
    reports = program.reports()
    assert {name: calls(report) for name, report in reports.items()} == {"report.json": 7}


@pytest.mark.parametrize(
    ("options", "settings", "line"),
    [
        (
            ("-X", "nogil-report="),
            {},
            "-X nogil-report needs a file; write -X nogil-report=FILE, or -X nogil-report for "
            "stderr",
        ),
        (
            ("-X", "nogil-report-signal"),
            {},
            "-X nogil-report-signal needs the name of a signal; write "
            "-X nogil-report-signal=SIGUSR1",
        ),
        (
            (),
            {"PYTHONNOGIL_REPORT_SIGNAL": "10"},
            'unknown signal "10" in PYTHONNOGIL_REPORT_SIGNAL; write '
            "PYTHONNOGIL_REPORT_SIGNAL=SIGUSR1",
        ),
        (
            (),
            {"PYTHONNOGIL_REPORT_SIGNAL": "SIGKILL"},
            "SIGKILL cannot ask for a report: [Errno 22] Invalid argument; choose another signal, "
            "as SIGUSR1",
        ),
        (
            (),
            {"PYTHONNOGIL_REPORT_SIGNAL": "SIGSEGV", "PYTHONNOGIL_REPORT": "report.json"},
            "PYTHONNOGIL_REPORT_SIGNAL=SIGSEGV cannot ask for a report; write "
            "PYTHONNOGIL_REPORT_SIGNAL=SIGUSR1",
        ),
    ],
)
def test_bad_values(
    program: Program, options: tuple[str, ...], settings: dict[str, str], line: str
) -> None:
    done = program.run("print('ran')", *options, **settings)
    assert done == Finished(2, "", f"pythonnogil: {line}\n")
    assert [file.name for file in program.folder.iterdir()] == ["program.py"]


SIGNALLED = f"""
{PROGRAM}
print("ready", flush=True)
for line in sys.stdin:
    timed_holds.nothing()
    print("done", flush=True)
"""


class Running:
    """A program that calls the fixture once for each line that it is sent."""

    def __init__(self, program: Program, **settings: str) -> None:
        self.folder = program.folder
        (self.folder / "program.py").write_text(SIGNALLED)
        self.child = subprocess.Popen(
            [sys.executable, "program.py"],
            cwd=self.folder,
            env=program.environment(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.expect("ready")

    def expect(self, word: str) -> None:
        assert self.child.stdout is not None
        assert self.child.stdout.readline() == f"{word}\n"

    def call(self) -> None:
        assert self.child.stdin is not None
        print("go", file=self.child.stdin, flush=True)
        self.expect("done")

    def end(self) -> str:
        """Let it end; what it wrote to stderr."""
        _, text = self.child.communicate(timeout=60)
        assert self.child.returncode == 0, text
        return text


def wait_for(file: Path) -> Any:
    """The report that is about to be written, and is gone afterwards."""
    code = f"import os, time\nwhile not os.path.exists({str(file)!r}): time.sleep(0.01)"
    run_python("-S", "-c", code)
    report = json.loads(file.read_text())
    file.unlink()
    return report


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["SIGUSR1", "SIGRTMIN"])
def test_signal(program: Program, name: str) -> None:
    running = Running(program, PYTHONNOGIL_REPORT="report.json", PYTHONNOGIL_REPORT_SIGNAL=name)
    number = getattr(signal, name)
    running.child.send_signal(number)
    assert calls(wait_for(program.folder / "report.json")) == 7
    running.call()
    running.child.send_signal(number)
    assert calls(wait_for(program.folder / "report.json")) == 8
    running.call()
    assert running.end() == ""
    assert calls(program.reports()["report.json"]) == 9


@pytest.mark.timeout(120)
def test_signal_without_a_file(program: Program) -> None:
    running = Running(program, PYTHONNOGIL_REPORT_SIGNAL="SIGUSR1")
    running.child.send_signal(signal.SIGUSR1)
    assert running.child.stderr is not None and running.child.stdin is not None
    assert running.child.stderr.readline() == TITLE
    running.child.stdin.close()
    text = running.child.stderr.read()
    assert "timed_holds" in text
    assert TITLE not in text  # none at the end
    assert running.child.wait(60) == 0


def test_signal_in_a_forked_child(program: Program) -> None:
    code = f"""
import os, signal, time
{PROGRAM}
child = os.fork()
if not child:
    timed_holds.nothing()
    os.kill(os.getpid(), signal.SIGUSR1)
    end = time.monotonic() + 30
    while not os.path.exists(f"report.{{os.getpid()}}.json") and time.monotonic() < end:
        time.sleep(0.01)
    os._exit(0)
os.waitpid(child, 0)
print(child, flush=True)
os._exit(0)
"""
    settings = {"PYTHONNOGIL_REPORT": "report.json", "PYTHONNOGIL_REPORT_SIGNAL": "SIGUSR1"}
    (child,) = program.run(code, **settings).lines()
    reports = program.reports()
    assert list(reports) == [f"report.{child}.json"]
    assert calls(reports[f"report.{child}.json"]) == 1


def test_signal_from_the_command_line(program: Program) -> None:
    code = f"""
import os, signal, time
{PROGRAM}
os.kill(os.getpid(), signal.SIGUSR2)
end = time.monotonic() + 30
while not os.path.exists("report.json") and time.monotonic() < end:
    time.sleep(0.01)
os._exit(0)
"""
    options = ("-X", "nogil-report=report.json", "-X", "nogil-report-signal=SIGUSR2")
    assert program.run(code, *options) == Finished(0, "", "")
    assert calls(program.reports()["report.json"]) == 7


def test_other_modes(program: Program) -> None:
    """Where nothing is guarded there is little to report, but a report there is."""
    code = PROGRAM.partition("assert")[0]
    for mode in ("off", "unsafe-nogil"):
        done = program.run(
            code, "-W", "ignore", PYTHONNOGIL_MODE=mode, PYTHONNOGIL_REPORT=f"{mode}.json"
        )
        assert (done.rc, done.stdout) == (0, "")
        report = program.reports()[f"{mode}.json"]
        assert (report["program"]["mode"], calls(report)) == (mode, 0)


def test_with_the_gil_on(program: Program) -> None:
    code = PROGRAM.replace("assert not", "assert")
    done = program.run(code, PYTHON_GIL="1", PYTHONNOGIL_REPORT="report.json")
    assert done == Finished(0, "", "")
    assert program.reports()["report.json"]["program"]["gil_enabled"] is True


@pytest.mark.timeout(60)
def test_pipes_and_devices_are_written_to(program: Program) -> None:
    pipe = program.folder / "pipe.json"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert program.run(PROGRAM, PYTHONNOGIL_REPORT="pipe.json") == Finished(0, "", "")
        text, _ = reader.communicate(timeout=60)
    assert calls(json.loads(text)) == 7
    assert pipe.is_fifo()
