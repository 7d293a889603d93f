"""The native core: decides the mode, watches extensions load and guards their entries."""

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Literal, TypedDict

class ModuleInfo(TypedDict):
    """What is known of one extension."""

    name: str
    path: str
    verdict: Literal["declared", "legacy"]
    reason: str
    mode: str
    entries: int

def resolve_mode(xoptions: dict[str, str | bool], orig_argv: list[str], environ: str | None) -> str:
    """The mode that sys._xoptions, sys.orig_argv and PYTHONNOGIL_MODE select.

    *environ* is None when the variable is unset or silenced by -E or -I. Raises ValueError with
    one line for the user when the selection is bad.
    """

def install(mode: str, announce: Callable[[str, str, str], object]) -> None:
    """Set the mode for extensions loaded from now on.

    ``announce(name, path, reason)`` is called once for each legacy extension before its code runs,
    with the reason "undeclared", "explicit" or "single-phase". What it raises refuses the import.
    """

def create_dynamic(spec: ModuleSpec, file: object = ..., /) -> ModuleType:
    """Create an extension module: CPython's loader, with the entries guarded."""

def modules() -> list[ModuleInfo]:
    """What is known of each extension loaded through create_dynamic, in the order of loading."""

def function_pointers(objects: list[object], /) -> list[tuple[int, str, str, int, bool]]:
    """The function pointers into extensions that these objects and the process itself hold.

    Each as the index of its owner (-1: the process), the slot, the file that the function is in,
    its offset there, and whether a guard stands before it.
    """

def loaded_imports(path: str, /) -> list[tuple[str, bool]]:
    """What a loaded file imports, and whether each import is redirected. Names may repeat."""

def abi_mismatch(path: str, /) -> str | None:
    """What is wrong with the name of an extension's file for this interpreter, or None."""

def platform_support() -> str | None:
    """None where extensions can be guarded, else the reason why not, as a sentence."""
