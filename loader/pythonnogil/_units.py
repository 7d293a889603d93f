"""How figures are written for people: three digits that count, and the unit that suits them."""

_SECONDS = ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s"))
_BYTES = ((1, "B"), (2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB"))
_DIGITS = 3


def duration(seconds: float) -> str:
    """A time, as ``1.25 ms``; ``0`` for none at all."""
    rounded = float(f"{seconds:.{_DIGITS}g}")
    if rounded == 0:
        return "0"
    return _in_unit(rounded, _SECONDS)


def power_of_ten(exponent: int) -> str:
    """The time of 10 to this power seconds, as ``100 us``."""
    steps = min(max(exponent // 3, -3), 0)
    return f"{10.0 ** (exponent - 3 * steps):g} {_SECONDS[steps + 3][1]}"


def size(number: int) -> str:
    """An amount of memory."""
    return _in_unit(number, _BYTES)


def count(number: int) -> str:
    """A number of things."""
    return f"{number:,}"


def share(part: float) -> str:
    """A part of a whole; a small one does not look like none."""
    percent = 100 * part
    if 0 < percent < 0.1:
        return "<0.1%"
    return f"{percent:.1f}%" if percent else "0"


def _in_unit(number: float, units: tuple[tuple[float, str], ...]) -> str:
    scale, name = units[0]
    for scale, name in reversed(units):
        if number >= scale:
            break
    value = number / scale
    if value >= 100 or (value == int(value) and scale == units[0][0]):
        return f"{value:,.0f} {name}"
    return f"{value:.2f} {name}" if value < 10 else f"{value:.1f} {name}"
