"""What holds for every command: it works isolated, without streams, when forked, and at the end."""

import json
from pathlib import Path

import pytest
import report_documents
from processes import Finished, run_python
from small_elf import SmallElf

# Each with its exit code. What they print is looked at elsewhere.
COMMANDS = [
    (["--help"], 0),
    (["--version"], 0),
    (["run", "-c", "print('ran')"], 0),
    (["run", "--help"], 0),
    (["scan", "small.so"], 1),
    (["scan", "--json", "."], 1),
    (["entries", "json"], 0),
    (["entries", "--json", "json"], 0),
    (["policy", "check", "policy.toml"], 0),
    (["policy", "explain", "lxml.etree"], 0),
    (["doctor"], 0),
    (["doctor", "--json"], 0),
    (["report", "report.json"], 0),
    (["report", "--json", "report.json"], 0),
    (["report", "report.json", "--html", "page.html"], 0),
]
WRONG = [[], ["walk"], ["scan"], ["entries"], ["policy"], ["doctor", "x"], ["report"], ["run"]]
EXECUTE = "os.execv(sys.executable, [sys.executable, '-m', 'pythonnogil', *sys.argv[1:]])"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands are to look at."""
    (tmp_path / "small.so").write_bytes(SmallElf().build())
    (tmp_path / "policy.toml").write_text("version = 1\n")
    (tmp_path / "report.json").write_text(json.dumps(report_documents.sample()))
    return tmp_path


def command(folder: Path, words: list[str], *options: str) -> Finished:
    return run_python(*options, "-m", "pythonnogil", *words, cwd=folder)


def is_silent(words: list[str]) -> bool:
    return "--html" in words


@pytest.mark.parametrize(("words", "rc"), COMMANDS, ids=str)
def test_isolated(folder: Path, words: list[str], rc: int) -> None:
    done = command(folder, words, "-I")
    assert (done.rc, done.stderr) == (rc, "")
    assert (done.stdout == "") == is_silent(words)


@pytest.mark.parametrize(("words", "rc"), COMMANDS, ids=str)
def test_without_standard_output(folder: Path, words: list[str], rc: int) -> None:
    done = run_python("-c", f"import os, sys; os.close(1); {EXECUTE}", *words, cwd=folder)
    assert done == Finished(rc, "", "")


@pytest.mark.parametrize(("words", "rc"), COMMANDS, ids=str)
def test_output_that_nobody_reads(folder: Path, words: list[str], rc: int) -> None:
    if words[:2] == ["run", "-c"]:
        return  # what a program does about it is its own affair
    code = f"import os, sys; read, write = os.pipe(); os.close(read); os.dup2(write, 1); {EXECUTE}"
    assert run_python("-c", code, *words, cwd=folder) == Finished(rc, "", "")


@pytest.mark.parametrize(("words", "rc"), COMMANDS, ids=str)
def test_output_to_a_full_disk(folder: Path, words: list[str], rc: int) -> None:
    if words[:2] == ["run", "-c"]:
        return
    code = f"import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); {EXECUTE}"
    done = run_python("-c", code, *words, cwd=folder)
    if is_silent(words):
        assert done == Finished(rc, "", "")
    else:
        line = "pythonnogil: cannot write to standard output: No space left on device\n"
        assert done == Finished(2, "", line)


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
@pytest.mark.parametrize("streams", [(2,), (0, 1, 2)])
def test_errors_without_standard_error(
    folder: Path, words: list[str], streams: tuple[int, ...]
) -> None:
    code = f"import os, sys; [os.close(stream) for stream in {streams}]; {EXECUTE}"
    assert run_python("-c", code, *words, cwd=folder) == Finished(2, "", "")


@pytest.mark.parametrize(("words", "rc"), COMMANDS, ids=str)
def test_in_a_forked_child(folder: Path, words: list[str], rc: int) -> None:
    code = """
import os, sys
import pythonnogil._core
from pythonnogil._command_line import main
child = os.fork()
if not child:
    sys.exit(main(sys.argv[1:]))
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run_python("-c", code, *words, cwd=folder)
    assert (done.rc, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"child {rc}"
    plain = command(folder, words).stdout
    assert done.stdout.startswith(plain) or words[0] == "doctor"  # that looks at its own process


@pytest.mark.parametrize(("words", "rc"), COMMANDS, ids=str)
def test_when_the_interpreter_ends(folder: Path, words: list[str], rc: int) -> None:
    code = """
import atexit, sys
from pythonnogil._command_line import main
atexit.register(lambda: print("code", main(sys.argv[1:]), file=sys.stderr))
"""
    done = run_python("-c", code, *words, cwd=folder)
    assert (done.rc, done.stderr) == (0, f"code {rc}\n")
