"""What the commands have in common: the error of a wrong command line, and how they print."""

import os
import sys
from collections.abc import Iterable


class UsageError(Exception):
    """The command cannot be done as it was given; the text is one line for the user."""


def print_lines(lines: Iterable[str]) -> None:
    """Print the lines to stdout, whether anybody reads them to their end or not."""
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        for line in lines:
            # The names of files can have bytes in them that no text has.
            printable = line.encode(encoding, "backslashreplace").decode(encoding)
            sys.stdout.write(f"{printable}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Keeps the interpreter from complaining of what it could not write when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
