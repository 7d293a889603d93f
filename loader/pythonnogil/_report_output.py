"""Brings a report where it is wanted: to a file, whose name chooses the format, or to a stream."""

import os
import stat
import sys
from collections.abc import Callable
from typing import TextIO

from pythonnogil import _report_document, _report_text
from pythonnogil._stats import Stats
from pythonnogil._usage import write_all, write_past_buffers

STDERR = "-"


def rendering(file: str) -> Callable[[Stats], str]:
    """What makes the contents of a file of this name."""
    if file.endswith(".json"):
        return _report_document.as_json
    if file.endswith(".html"):
        from pythonnogil import _report_page

        return _report_page.page
    return text


def text(report: Stats) -> str:
    """The table, as wide as it wants to be."""
    return "".join(f"{line}\n" for line in _report_text.lines(report))


def write(contents: str, file: str) -> None:
    """Write the file, which is either as it was before or whole. Raises OSError."""
    data = contents.encode("utf-8", "backslashreplace")
    file = os.path.realpath(file)
    if os.path.exists(file) and not stat.S_ISREG(os.stat(file).st_mode):
        # A device or a pipe is written to; putting a file in its place would be the end of it.
        with open(file, "wb", buffering=0) as stream:
            write_all(stream.fileno(), data)
        return
    unfinished = f"{file}.{os.getpid()}.part"
    try:
        with open(unfinished, "wb", buffering=0) as stream:
            write_all(stream.fileno(), data)
        os.replace(unfinished, file)
    except OSError:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
        raise


def print_to(stream: TextIO | None, report: Stats) -> None:
    """Print the table to a stream, for its terminal if it is one. Raises OSError, ValueError."""
    lines = _report_text.lines(report, *_look(stream))
    write_past_buffers(stream, "".join(f"{line}\n" for line in lines))


def terminal_lines(report: Stats) -> list[str]:
    """The lines of the table for standard output."""
    return list(_report_text.lines(report, *_look(sys.stdout)))


def _look(stream: TextIO | None) -> tuple[int | None, bool]:
    """The width of the terminal and whether it may show colours; no width where there is none."""
    try:
        if stream is None or not stream.isatty():
            return None, False
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None, False
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() else width
    colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return width or None, colour
