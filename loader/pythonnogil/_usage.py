"""What the commands have in common: how they read their command line, and how they print."""

import os
import sys
from collections.abc import Collection, Iterable
from typing import TextIO


class UsageError(Exception):
    """The command cannot be done as it was given; the text is one line for the user."""


def options_of(
    command: str, arguments: Iterable[str], flags: Collection[str], values: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """The options among the arguments of a command, and the rest.

    *flags* are the options without a value, which get "", and *values* those with one. After "--"
    nothing is an option. Raises UsageError.
    """
    options: dict[str, str] = {}
    rest: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            return options, rest + words
        if word in flags:
            options[word] = ""
        elif name in values:
            if not equals and not words:
                raise UsageError(f"{command}: {name} needs a value")
            options[name] = value if equals else words.pop(0)
        elif word.startswith("-"):
            raise UsageError(f"{command}: unknown option {word}")
        else:
            rest.append(word)
    return options, rest


def complain(text: str) -> None:
    """Print an error as one line to stderr, if there is one."""
    try:
        write_past_buffers(sys.stderr, f"pythonnogil: {text}\n")
    except (OSError, ValueError):
        # It was closed, and there is nobody else to be told.
        return


def write_past_buffers(stream: TextIO | None, text: str) -> None:
    """Write to a stream that may fail, and leave nothing behind in it that would fail again.

    The interpreter's last act is to flush its streams; if that fails, it ends with an exit code
    that is not the program's. Raises OSError and ValueError.
    """
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    data = text.encode(encoding, "backslashreplace")
    stream.flush()
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):
        stream.write(data.decode(encoding))
        return
    write_all(descriptor, data)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data. Raises OSError."""
    while data:
        data = data[os.write(descriptor, data) :]


def print_lines(lines: Iterable[str]) -> None:
    """Print the lines to stdout, whether anybody reads them to their end or not.

    Raises UsageError where they cannot be written.
    """
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        for line in lines:
            # The names of files can have bytes in them that no text has.
            printable = line.encode(encoding, "backslashreplace").decode(encoding)
            sys.stdout.write(f"{printable}\n")
        sys.stdout.flush()
    except OSError as error:
        # Keeps the interpreter from complaining of what it could not write when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise UsageError(f"cannot write to standard output: {error.strerror}") from error
