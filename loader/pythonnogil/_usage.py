"""What the commands have in common: how they read their command line, and how they print."""

import os
import sys
from collections.abc import Collection, Iterable


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
    if sys.stderr is not None:
        print(f"pythonnogil: {text}", file=sys.stderr)


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
