"""Loads legacy extensions into free-threaded Python without turning the GIL back on.

The start-up files call `_start_up` in every interpreter, so this file imports nothing that is not
loaded by then, and does itself what suffices where nobody asked for anything: it puts a small
function in place of CPython's extension loader. All else is in `_startup`. One module instead of
two is a saving that shows in the start-up time.

PYTEST_DONT_REWRITE: without this word pytest complains that its plugin is already imported.
"""

import _imp
import os
import sys

__version__ = "0.1.0"

__all__ = [
    "GuardedExtensionWarning",
    "HookError",
    "UnsafeExtensionWarning",
    "install",
    "mode",
    "modules",
    "overlaps",
    "recording",
    "start_recording",
    "stats",
    "stop_recording",
]

# Type checkers take this name for true; importing it from typing would cost each start-up.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from pythonnogil._announcement import GuardedExtensionWarning, UnsafeExtensionWarning
    from pythonnogil._core import ModuleInfo, Overlap
    from pythonnogil._startup import HookError
    from pythonnogil._stats import Stats

_original_create_dynamic = _imp.create_dynamic
_in_default_mode = False

# One of these, and the program wants something else than what suffices for most.
_VARIABLES = (
    "PYTHONNOGIL_MODE",
    "PYTHONNOGIL_POLICY",
    "PYTHONNOGIL_EVIDENCE",
    "PYTHONNOGIL_REPORT",
    "PYTHONNOGIL_REPORT_SIGNAL",
    "PYTHONNOGIL_TRACE",
    "PYTHONNOGIL_WATCHDOG",
    "PYTHONNOGIL_WATCHDOG_SIGNAL",
)

# With the GIL on there is nothing to guard. Asked once, early: later the answer may be that some
# thread holds a passing GIL while an extension initializes.
_gil_is_on = sys._is_gil_enabled()


def install(
    mode: str | None = None, policy: "str | os.PathLike[str] | None" = None
) -> None:
    """Put the import hook in place, where no start-up file did it (``python -S``, embedding).

    *mode* is ``gil``, ``strict-nogil``, ``unsafe-nogil`` or ``off`` and applies to extensions
    imported from now on. *policy* is the path of a policy file, which takes the place of the one
    in force. Without a mode, that of the command line, the environment or an earlier call stays;
    where none of them chose one, the policy file may. Without both, a hook that is in place already
    stays as it is.

    Raises ValueError for an unknown mode or a bad policy and HookError (a RuntimeError) where the
    mode cannot be had, in which case nothing changes.
    """
    from pythonnogil import _startup

    if mode is not None or policy is not None:
        _startup.use(mode, policy)
    elif not _startup.installed():
        _startup.use_what_was_asked_for()


def mode() -> str:
    """The mode that extensions are loaded in; ``off`` when they are left to CPython."""
    from pythonnogil import _startup

    return _startup.mode()


def modules() -> "list[ModuleInfo]":
    """What is known of each extension that the hook saw loading, in the order of loading.

    CPython's own extensions appear only when a mode or a policy was asked for: otherwise CPython
    loads them without our help.
    """
    core = sys.modules.get("pythonnogil._core")
    return core.modules() if core is not None else []


def start_recording() -> None:
    """Count and measure guarded calls from now on, for `stats`.

    Modules may have been imported before or be imported afterwards. Without a guard, as with the
    GIL on, nothing is recorded. Raises HookError where the native core cannot be loaded.
    """
    from pythonnogil import _startup

    _startup.load_core().start_recording()


def stop_recording() -> None:
    """Count and measure no more; what was recorded stays."""
    core = sys.modules.get("pythonnogil._core")
    if core is not None:
        core.stop_recording()


def recording() -> bool:
    """Whether guarded calls are counted and measured."""
    core = sys.modules.get("pythonnogil._core")
    return core is not None and core.recording()


def stats() -> "Stats":
    """What is known of the program, of each extension, and of the calls that were recorded.

    The report as a dictionary: ``schema`` and ``version`` of its form, ``program``, ``modules`` in
    the order of loading, ``overlaps`` and ``memory``. A module and each of its ``functions`` has
    ``calls``, ``waits`` (calls that had to wait for the guard), ``contended_share``, ``wait`` and
    ``hold`` (``total``, ``p50``, ``p99``, ``p99.9`` and ``max``) and ``waits_over`` 1, 5, 16 and
    100 ms. All times are in seconds. Percentiles are right to one part in sixteen; totals,
    maxima and counts are exact. Without `start_recording` the measures are zero.
    """
    from pythonnogil import _stats

    return _stats.stats()


def overlaps() -> "list[Overlap]":
    """Which functions of unguarded legacy modules ran at the same time, and how often.

    Empty unless PYTHONNOGIL_EVIDENCE=1 or -X nogil-evidence asked for the record at start-up. Two
    calls count when one begins while another thread is inside the other one, in the same module;
    ``same_object`` tells those on one object from others.
    """
    core = sys.modules.get("pythonnogil._core")
    return core.overlaps() if core is not None else []


def _start_up() -> None:
    """What the start-up files call; calling it again does nothing."""
    global _in_default_mode
    environ = os.environ
    if sys._xoptions or sys.warnoptions or any(map(environ.get, _VARIABLES)):
        from pythonnogil import _startup

        _startup.install()
    elif not _in_default_mode:
        _in_default_mode = True
        if not _gil_is_on:
            _imp.create_dynamic = _stand_in


def _leave_out_of_tracebacks(function: "Any") -> None:
    # CPython removes frames of this name in this file from the traceback of a failing import.
    function.__code__ = function.__code__.replace(
        co_filename="<frozen importlib._bootstrap>", co_name="_call_with_frames_removed"
    )


def _stand_in(spec: "ModuleSpec", /, *file: object) -> "ModuleType":
    # CPython's own extensions all declare themselves safe, so they need no core. The core itself
    # arrives here as well.
    name = getattr(spec, "name", None)
    if name == "pythonnogil._core" or _is_of_cpython(name, getattr(spec, "origin", None)):
        return _original_create_dynamic(spec, *file)
    from pythonnogil import _startup

    return _startup.create_first(spec, *file)


_leave_out_of_tracebacks(_stand_in)
for _name in ("__name__", "__qualname__", "__module__", "__doc__", "__text_signature__"):
    setattr(_stand_in, _name, getattr(_original_create_dynamic, _name))


def _is_of_cpython(name: str, path: object) -> bool:
    """Whether the extension belongs to the standard library of this interpreter."""
    folder = str(path).rpartition("/")[0]
    return (
        name in sys.stdlib_module_names
        and folder.startswith(sys.base_exec_prefix)
        and folder.endswith("/lib-dynload")
    )


def __getattr__(name: str) -> object:
    if name in ("GuardedExtensionWarning", "UnsafeExtensionWarning"):
        from pythonnogil import _announcement

        return getattr(_announcement, name)
    if name == "HookError":
        from pythonnogil import _startup

        return _startup.HookError
    if name == "pytest_plugins":
        # What makes ``pytest -p pythonnogil`` load the plugin.
        return ["pythonnogil.pytest_plugin"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
