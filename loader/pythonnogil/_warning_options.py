"""Applies -W options that name a warning of ours, which CPython drops at start-up.

CPython reads them before site-packages can be imported from, says "Invalid -W option ignored:
invalid module name: 'pythonnogil'" and goes on without them.
"""

import sys
import warnings
from collections.abc import Sequence


def apply_again(options: Sequence[str]) -> None:
    """Apply all *options* in their order: of two that match a warning, the later one wins."""
    for option in options:
        module = _category_module(option)
        ours = module.split(".")[0] == "pythonnogil"
        # A module that CPython could not import for its category stays dropped: importing it is
        # not our affair.
        if ours or not module or module in sys.modules:
            _apply(option, complain=ours)


def _category_module(option: str) -> str:
    fields = option.split(":")
    category = fields[2].strip() if len(fields) > 2 else ""
    return category.rpartition(".")[0]


def _apply(option: str, complain: bool) -> None:
    try:
        warnings._setoption(option)  # type: ignore[attr-defined]
    except warnings._OptionError as error:
        # CPython has complained of the options that are not ours already, and truly.
        if complain:
            print("Invalid -W option ignored:", error, file=sys.stderr)
