"""Makes the manual page from the commands and their help: ``python -m pythonnogil._man_page``.

The help of a command is a summary, its usage, paragraphs, and lists, of which each line begins with
two spaces and has two or more between what is described and the description.
"""

import re
import sys
from collections.abc import Iterator

import pythonnogil
from pythonnogil._command_line import COMMANDS, PROGRAM, SETTINGS, help_of

_ITEM = re.compile(r"  (\S+(?: \S+)*)(?:  +(\S.*))?")


def page() -> str:
    """The page in the language of man(7)."""
    version = pythonnogil.__version__
    lines = [
        f'.TH PYTHONNOGIL 1 "" "pythonnogil {version}" "User Commands"',
        ".SH NAME",
        r"pythonnogil \- legacy extensions in free\-threaded Python without its GIL",
        ".SH SYNOPSIS",
        f".B {_escaped(PROGRAM)}",
        r".I COMMAND \&...",
        ".br",
        f".B {_escaped(PROGRAM)}",
        r"\-\-help | \-\-version",
        ".SH COMMANDS",
    ]
    for name, command in COMMANDS.items():
        lines += [f".SS {name}", *_command_lines(help_of(command))]
    lines += [".SH SETTINGS", "Any Python program can be started with these.", *_settings()]
    return "\n".join(lines) + "\n"


def _command_lines(text: str) -> Iterator[str]:
    for number, block in enumerate(text.split("\n\n")):
        lines = block.splitlines()
        if lines[0].startswith("usage:"):
            yield ".PP"
            yield ".nf"
            for line in lines:
                yield f".B {_escaped(line.removeprefix('usage:').strip())}"
            yield ".fi"
        elif lines[0].startswith("  "):
            for term, description in _items(lines):
                yield from _item(term, description)
        else:
            if number > 0:
                yield ".PP"
            yield from map(_escaped, lines)


def _items(lines: list[str]) -> Iterator[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in lines:
        match = _ITEM.fullmatch(line)
        if match is not None:
            found.append((match[1], match[2] or ""))
        else:
            term, description = found.pop()
            found.append((term, f"{description} {line.strip()}"))
    return iter(found)


def _item(term: str, description: str) -> Iterator[str]:
    yield ".TP"
    yield f".B {_escaped(term)}"
    yield _escaped(description)


def _settings() -> Iterator[str]:
    for option, variable, meaning in SETTINGS:
        yield from _item(", ".join(filter(None, (option, variable))), meaning)


def _escaped(text: str) -> str:
    """The text for roff, which would take some letters at the beginning of a line for a request."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(page())
