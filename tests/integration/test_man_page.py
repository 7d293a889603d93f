"""The manual page: it is made from the commands, names all of them, and is well-formed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import run_python

import pythonnogil
from pythonnogil import _man_page
from pythonnogil._command_line import COMMANDS, SETTINGS, help_of

# What the tools may say: the page has no date, since the same sources make the same page.
HARMLESS = ("missing date",)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    done = run_python("-m", "pythonnogil._man_page")
    assert (done.rc, done.stderr) == (0, "")
    path = tmp_path / "pythonnogil.1"
    path.write_text(done.stdout)
    return path


def rendered(file: Path) -> str:
    """What a reader sees; without a formatter, the source with its escapes undone."""
    if shutil.which("mandoc") is not None:
        command = ["mandoc", "-T", "ascii", "-O", "width=1000", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        letters: list[str] = []
        for letter in done.stdout:  # bold is written by going back
            if letter == "\b":
                letters.pop()
            else:
                letters.append(letter)
        return "".join(letters)
    return file.read_text().replace("\\-", "-").replace("\\&", "")


def section(text: str, command: str) -> str:
    """The part about one command."""
    begin = (
        text.index(f"\n   {command}\n") if "\n   run\n" in text else text.index(f".SS {command}")
    )
    rest = text[begin + 1 :]
    ends = [rest.find(f"\n   {name}\n") for name in COMMANDS]
    ends += [rest.find(f"\n.SS {name}\n") for name in COMMANDS] + [rest.find("SETTINGS")]
    return rest[: min(end for end in ends if end >= 0)]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_and_option_is_named(file: Path, command: str) -> None:
    text = section(rendered(file), command)
    assert f"python -m pythonnogil {command}" in text
    options = (*COMMANDS[command].FLAGS, *COMMANDS[command].VALUES)
    assert options
    for option in options:
        assert option in text, option
        assert option in help_of(COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_whole_help_is_in_it(file: Path, command: str) -> None:
    text = section(rendered(file), command)
    said = " ".join(text.split())
    for word in help_of(COMMANDS[command]).replace("usage:", "").split():
        assert word in said, word


def test_each_setting_is_named(file: Path) -> None:
    text = rendered(file)
    for variable in pythonnogil._VARIABLES:
        assert re.search(rf"[ ,]{variable}=", text), "add it to the SETTINGS of _command_line.py"
    for option, variable, meaning in SETTINGS:
        assert option in text
        assert variable in text
        assert meaning in text


def test_the_commands_take_the_options_that_they_name() -> None:
    """What the help names is what the commands know: a made-up value gets past the reading."""
    for name, command in COMMANDS.items():
        for option in command.VALUES:
            done = run_python(
                "-m", "pythonnogil", name, *(["explain"] * (name == "policy")), option
            )
            assert done.stderr.endswith(f": {option} needs a value\n"), (name, option)


@pytest.mark.parametrize(
    "command",
    [
        ["man", "--warnings", "-E", "UTF-8", "-l"],
        ["groff", "-man", "-ww", "-T", "utf8", "-z"],
        ["mandoc", "-T", "lint", "-W", "warning"],
    ],
    ids=lambda command: command[0],
)
def test_formatters_have_nothing_to_say(file: Path, command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here")
    done = subprocess.run(
        [*command, file], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )
    said = done.stderr + (done.stdout if command[0] == "mandoc" else "")
    lines = [line for line in said.splitlines() if not any(text in line for text in HARMLESS)]
    assert lines == []


def test_made_without_the_native_core(tmp_path: Path) -> None:
    """As the build does it, before there is one."""
    package = Path(_man_page.__file__).parent
    ignore = shutil.ignore_patterns("_core.*", "__pycache__")
    shutil.copytree(package, tmp_path / "copy" / "pythonnogil", ignore=ignore)
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-m", "pythonnogil._man_page"],
        cwd=tmp_path / "copy",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == _man_page.page()
