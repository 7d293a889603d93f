"""Tables for a terminal: aligned columns, of which the least wanted give way to a narrow one."""

from collections.abc import Sequence
from dataclasses import dataclass

_GAP = "  "
_INDENT = "  "
_NARROWEST = 12  # to which a name is shortened before columns are left out


@dataclass(frozen=True)
class Column:
    """A heading; the columns with the highest *rank* are the first to go, those with 0 stay."""

    heading: str
    rank: int = 0
    is_name: bool = False  # aligned left, and shortened where there is no room
    alarm: str = ""  # the colour of cells that are not "0"


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None, colour: bool
) -> list[str]:
    """The lines of a table; *width* is that of the terminal, None where there is none."""
    kept = _columns_that_fit(columns, rows, width)
    widths = [_natural(columns[i].heading, rows, i) for i in kept]
    if width is not None:
        widths = _shortened(widths, [columns[i] for i in kept], width)
    lines = [_line([columns[i].heading for i in kept], kept, widths, columns, False)]
    lines += [_line([row[i] for i in kept], kept, widths, columns, colour) for row in rows]
    return lines


def printable(text: str) -> str:
    """The text without what could steer a terminal or break a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _natural(heading: str, rows: Sequence[Sequence[str]], index: int) -> int:
    return max([len(heading), *(len(row[index]) for row in rows)])


def _columns_that_fit(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> list[int]:
    kept = list(range(len(columns)))
    while width is not None:
        needed = len(_INDENT) + sum(_least(columns[i], rows, i) + len(_GAP) for i in kept)
        last = max(kept, key=lambda i: (columns[i].rank, i))
        if needed - len(_GAP) <= width or columns[last].rank == 0:
            break
        kept.remove(last)
    return kept


def _least(column: Column, rows: Sequence[Sequence[str]], index: int) -> int:
    natural = _natural(column.heading, rows, index)
    return min(natural, max(_NARROWEST, len(column.heading))) if column.is_name else natural


def _shortened(widths: list[int], columns: Sequence[Column], width: int) -> list[int]:
    """Take what is too much from the widest names, one letter after the other."""
    room = width - len(_INDENT) - len(_GAP) * (len(widths) - 1)
    widths = list(widths)
    names = [i for i, column in enumerate(columns) if column.is_name]
    while sum(widths) > room and names:
        widest = max(names, key=lambda i: widths[i])
        if widths[widest] <= max(_NARROWEST, len(columns[widest].heading)):
            break
        widths[widest] -= 1
    return widths


def _line(
    cells: Sequence[str],
    kept: Sequence[int],
    widths: Sequence[int],
    columns: Sequence[Column],
    colour: bool,
) -> str:
    parts = []
    for cell, index, width in zip(cells, kept, widths, strict=True):
        column = columns[index]
        if column.is_name:
            parts.append(_ending(cell, width).ljust(width))
        elif colour and column.alarm and cell != "0":
            parts.append(f"{' ' * (width - len(cell))}\x1b[{column.alarm}m{cell}\x1b[0m")
        else:
            parts.append(cell.rjust(width))
    return (_INDENT + _GAP.join(parts)).rstrip()


def _ending(name: str, width: int) -> str:
    """The end of a dotted name tells more than its beginning."""
    return name if len(name) <= width else f"...{name[len(name) - width + 3 :]}"
