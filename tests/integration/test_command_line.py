"""``python -m pythonnogil``: its help, its exit codes, and ``run`` against plain python."""

import json
import signal
import zipfile
from pathlib import Path

import pytest
from processes import Finished, clean_environment, run_python

import pythonnogil
from pythonnogil._command_line import COMMANDS

GOLDEN = Path(__file__).parent / "golden"
SITE_PACKAGES = Path(pythonnogil.__file__).parents[1]

# Shows all that a program can see of how it was started.
LOOK_AROUND = """\
import json, re, sys
without_addresses = lambda value: re.sub(" at 0x[0-9a-f]+", "", repr(value))
main = sys.modules["__main__"]
print(json.dumps({
    "argv": sys.argv,
    "path": sys.path,
    "name": __name__,
    "is main": main.__dict__ is globals(),
    "globals": sorted(globals().keys() - {"json", "re", "sys", "main", "without_addresses"}),
    "file": globals().get("__file__"),
    "package": __package__,
    "doc": __doc__,
    "spec": without_addresses(__spec__),
    "loader": without_addresses(__loader__),
    "builtins": repr(__builtins__),
    "stdin": sys.stdin.read(),
}))
"""


def run(*arguments: str | bytes | Path, **how) -> Finished:
    return run_python("-m", "pythonnogil", *arguments, **how)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with one program in all its shapes."""
    (tmp_path / "program.py").write_text(LOOK_AROUND)
    (tmp_path / "link.py").symlink_to(tmp_path / "deep" / "linked.py")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "linked.py").write_text(LOOK_AROUND)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text(LOOK_AROUND)
    (tmp_path / "package" / "module.py").write_text(LOOK_AROUND)
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.writestr("__main__.py", LOOK_AROUND)
    code = "import py_compile; py_compile.compile('program.py', 'compiled.pyc')"
    run_python("-c", code, cwd=tmp_path).lines()
    return tmp_path


def differences(left: Finished, right: Finished) -> dict[str, tuple[object, object]]:
    """What two programs that looked around saw differently."""
    seen, expected = (json.loads(done.lines()[0]) for done in (left, right))
    return {key: (seen[key], expected[key]) for key in seen if seen[key] != expected[key]}


@pytest.mark.parametrize(
    "program",
    [
        ["program.py"],
        ["./deep/../program.py"],
        ["link.py"],
        ["compiled.pyc"],
        ["package"],
        ["program.zip"],
        ["-m", "package"],
        ["-m", "package.module"],
        ["-c", LOOK_AROUND],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("options", [[], ["-P"]])
def test_run_is_like_plain_python(programs: Path, program: list[str], options: list[str]) -> None:
    words = [*program, "a", "--mode", "-m", "b"]
    how = {"cwd": programs, "env": clean_environment(PYTHONPATH=programs), "input": "typed"}
    plain = run_python(*options, *words, **how)
    ours = run_python(*options, "-m", "pythonnogil", "run", *words, **how)
    assert differences(ours, plain) == {}
    assert ours.stderr == plain.stderr == ""


def test_run_reads_a_program_from_standard_input(programs: Path) -> None:
    plain = run_python("-", "a", cwd=programs, input=LOOK_AROUND)
    ours = run("run", "-", "a", cwd=programs, input=LOOK_AROUND)
    assert differences(ours, plain) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import sys; sys.exit()",
        "import sys; sys.exit(7)",
        "import sys; sys.exit('last words')",
        "raise SystemExit",
        "def f():\n    1 / 0\nf()",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    {}['key']",
        "a = (\n",
        "# coding: latin-1\nprint(ascii('\xe4'))",
        "import sys\nsys.excepthook = lambda *error: print('hook', error[0])\n1 / 0",
        "import atexit\natexit.register(print, 'at exit')\n1 / 0",
        "import threading\nthreading.Thread(target=lambda: print('thread')).start()",
        "raise ValueError('pythonnogil: not ours')",
    ],
)
@pytest.mark.parametrize("way", [["program.py"], ["-m", "program"]], ids=["script", "module"])
def test_run_ends_like_plain_python(tmp_path: Path, text: str, way: list[str]) -> None:
    (tmp_path / "program.py").write_bytes(text.encode("latin-1"))
    plain = run_python(*way, cwd=tmp_path)
    ours = run("run", *way, cwd=tmp_path)
    assert ours == plain


def test_keyboard_interrupt_ends_the_process_by_its_signal() -> None:
    done = run("run", "-c", "raise KeyboardInterrupt")
    assert done.rc == -signal.SIGINT


@pytest.mark.parametrize("words", [["absent.py"], ["-m", "absent"], ["-m", "json"]])
def test_what_cannot_be_run(tmp_path: Path, words: list[str]) -> None:
    plain = run_python(*words, cwd=tmp_path)
    ours = run("run", *words, cwd=tmp_path)
    assert plain.rc != 0
    assert ours == plain


PRINT_MODE = """
import os, sys, pythonnogil
print(pythonnogil.mode(), os.environ.get("PYTHONNOGIL_MODE"))
try:
    import static_counter
except ImportError as error:
    print(error.name)
print(sys._is_gil_enabled())
"""


@pytest.mark.parametrize("spelling", [["--mode", "{}"], ["--mode={}"]])
@pytest.mark.parametrize("mode", ["gil", "strict-nogil", "unsafe-nogil"])
@pytest.mark.parametrize("variable", ["", "gil", "strict-nogil", "off"])
def test_mode_option_beats_the_environment(
    extensions: Path, spelling: list[str], mode: str, variable: str
) -> None:
    words = [word.format(mode) for word in spelling]
    environment = clean_environment(PYTHONPATH=extensions, PYTHONNOGIL_MODE=variable)
    done = run("run", *words, "-c", PRINT_MODE, env=environment)
    refused = ["static_counter"] if mode == "strict-nogil" else []
    assert done.lines() == [f"{mode} {mode}", *refused, "False"]
    assert ("unsafe import of" in done.stderr) == (mode == "unsafe-nogil")


@pytest.mark.parametrize("options", [["-X", "unsafe-nogil"], ["-X", "nogil-mode=unsafe-nogil"]])
def test_mode_option_must_agree_with_x_options(options: list[str]) -> None:
    words = ["-m", "pythonnogil", "run", "--mode"]
    agreed = run_python(*options, *words, "unsafe-nogil", "-c", "print(1)")
    assert agreed.lines() == ["1"]
    done = run_python(*options, *words, "gil", "-c", "print(1)")
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr == (
        "pythonnogil: two modes at once: -X options for unsafe-nogil and --mode gil; "
        "keep one of them\n"
    )


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ([], "gil"),
        (["-X", "strict-nogil"], "strict-nogil"),
        (["-X", "unsafe-nogil"], "unsafe-nogil"),
    ],
)
def test_run_has_the_hook_without_site(extensions: Path, options: list[str], mode: str) -> None:
    environment = clean_environment(PYTHONPATH=f"{SITE_PACKAGES}:{extensions}")
    without = run_python("-S", "-c", PRINT_MODE, env=environment)
    assert without.lines() == ["off None", "True"]
    words = ["-S", *options, "-m", "pythonnogil", "run", "-c", PRINT_MODE]
    done = run_python(*words, env=environment)
    assert done.lines()[0].startswith(f"{mode} ")
    assert done.lines()[-1] == "False"
    assert ("static_counter" in done.lines()) == (mode == "strict-nogil")


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        (["-X", "strict-nogill"], ""),
        (["-X", "strict-nogil", "-X", "unsafe-nogil"], ""),
        ([], "fast"),
    ],
)
def test_run_without_site_refuses_a_bad_selection(options: list[str], variable: str) -> None:
    environment = clean_environment(PYTHONPATH=SITE_PACKAGES, PYTHONNOGIL_MODE=variable)
    words = ["-S", *options, "-m", "pythonnogil", "run", "-c", "print(1)"]
    done = run_python(*words, env=environment)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr.startswith("pythonnogil: ")
    assert done.stderr.count("\n") == 1


def test_run_hands_the_mode_on_to_spawned_children(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("""
import multiprocessing, pythonnogil
def report():
    print(pythonnogil.mode(), __name__, flush=True)
if __name__ == "__main__":
    report()
    process = multiprocessing.get_context("spawn").Process(target=report)
    process.start()
    process.join()
""")
    done = run("run", "--mode", "strict-nogil", program)
    assert done.lines() == ["strict-nogil __main__", "strict-nogil __mp_main__"]


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_overview(words: list[str]) -> None:
    done = run(*words)
    assert done.rc == (0 if words else 2)
    text = done.stdout if words else done.stderr
    assert text.startswith("usage: python -m pythonnogil COMMAND ...\n")
    assert "\n  run     Run a Python program with the import hook in place.\n" in text


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str, option: str) -> None:
    done = run_python("-I", "-m", "pythonnogil", *command.split(), option)
    assert (done.rc, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / f"{command}_help.txt".lstrip("_")).read_text()


def test_help_without_docstrings() -> None:
    done = run_python("-OO", "-m", "pythonnogil", "run", "--help")
    assert done.lines() == ["There is no help under -OO."]


def test_version() -> None:
    assert run("--version").lines() == [f"pythonnogil {pythonnogil.__version__}"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["walk"], "unknown command walk; see python -m pythonnogil --help"),
        (["run"], "run: no program given; name a SCRIPT, -m MODULE or -c CODE"),
        (["run", "--mode", "gil"], "run: no program given; name a SCRIPT, -m MODULE or -c CODE"),
        (["run", "--mode"], "run: --mode needs a value"),
        (["run", "-m"], "run: -m needs a value"),
        (["run", "-c"], "run: -c needs a value"),
        (["run", "--fast", "a.py"], "run: unknown option --fast"),
        (
            ["run", "--mode", "fast", "-c", "print(1)"],
            'unknown mode "fast"; choose one of gil, strict-nogil, unsafe-nogil, off',
        ),
    ],
)
def test_wrong_use(words: list[str], line: str) -> None:
    done = run(*words)
    assert done == Finished(2, "", f"pythonnogil: {line}\n")
