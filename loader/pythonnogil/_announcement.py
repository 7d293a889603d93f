"""What the user is told about a legacy extension: a warning, or in strict mode an error.

The native core calls `announce` once for each legacy extension, before its code runs; what it
raises becomes the outcome of the import. The texts are an interface: people match them with ``-W``.
"""

import os
import sys

# The native half of the warnings module: it is always loaded, the Python half often is not.
from _warnings import warn as _warn


class UnsafeExtensionWarning(RuntimeWarning):
    """A legacy extension was imported to run with neither the GIL nor a guard."""

    __module__ = "pythonnogil"


class GuardedExtensionWarning(ImportWarning):
    """A legacy extension was imported to run under the guard; ignored unless asked for."""

    __module__ = "pythonnogil"


_WHY = {
    "undeclared": "it does not declare that it is safe without the GIL",
    "explicit": "it declares that it needs the GIL (Py_MOD_GIL_USED)",
    "single-phase": (
        "it uses single-phase initialization and does not declare that it is safe without the GIL"
    ),
    "distrusted": "it declares that it is safe without the GIL, but the policy distrusts it",
}

# Frames of these files never are the line that imports: ours and the import system's.
NOT_THE_IMPORTING_LINE = (
    os.path.join(os.path.dirname(__file__), ""),
    os.path.join(os.path.dirname(os.__file__), "importlib", ""),
    "<frozen importlib",
)


def announce(
    mode: str, name: str, path: str, reason: str, evidence: str | None, mode_rule: str | None
) -> None:
    """Warn of, or refuse, the legacy extension *name* from the file *path*.

    *mode* is "scope none" where the policy wants a module unguarded in mode gil.
    *evidence* is what the policy has against a distrusted extension, after the place of its rule;
    *mode_rule* is the place of the rule that chose the mode, if the policy did.
    """
    why = _WHY[reason] + (f" ({evidence})" if evidence else "")
    if mode == "strict-nogil":
        cure = "keeps what it declares" if reason == "distrusted" else "declares its safety"
        raise refusal(name, path, why, cure, mode_rule)
    if mode in ("unsafe-nogil", "scope none"):
        setting = "scope none" if mode == "scope none" else f"mode {mode}"
        warn(
            f"unsafe import of {name!r} ({path}): {why}, and {setting} runs it unguarded; "
            "calls from several threads may crash or corrupt data",
            UnsafeExtensionWarning,
        )
    else:
        warn(
            f"guarded import of {name!r} ({path}): {why}, so mode gil runs it under a lock",
            GuardedExtensionWarning,
        )


def refusal(name: str, path: str, why: str, cure: str, mode_rule: str | None) -> ImportError:
    """The error with which strict mode refuses an extension; *cure* is what a release would do."""
    from pythonnogil import _distribution

    owner = _distribution.owner_of(path, sys.path)
    origin = f" from {owner}" if owner else ""
    release = f"a release of {owner.name}" if owner else "a release"
    way_out = (
        f'mode = "gil" in the rule {mode_rule}'
        if mode_rule
        else "PYTHONNOGIL_MODE=gil or -X nogil-mode=gil"
    )
    return ImportError(
        f"strict-nogil refuses {name!r} ({path}){origin}: {why}; use {release} that {cure}, "
        f"or run it under a lock with {way_out}",
        name=name,
        path=path,
    )


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the line of the program that runs the import."""
    if sys.warnoptions:
        # CPython applies -W to other interpreters than the main one when they import this.
        import warnings  # noqa: F401
    _warn(text, category, skip_file_prefixes=NOT_THE_IMPORTING_LINE)
