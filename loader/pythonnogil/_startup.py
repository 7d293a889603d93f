"""Chooses the mode and puts the extension loader that goes with it in place.

In the default mode the native core is loaded only by the first extension that is not CPython's
own; until then a small Python function, the stand-in of the package's ``__init__``, is in place.
"""

import _imp
import _thread
import os
import sys

import pythonnogil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MODES = ("gil", "strict-nogil", "unsafe-nogil", "off")
ENVIRONMENT_VARIABLE = "PYTHONNOGIL_MODE"
_MODE_OPTIONS = ("strict-nogil", "unsafe-nogil", "nogil-mode")

# CPython's own loader. The native core calls it too, and takes it from here: when the core is
# loaded late, _imp.create_dynamic is already the stand-in.
original_create_dynamic = pythonnogil._original_create_dynamic

_installed = pythonnogil._in_default_mode
_mode = "gil" if _installed else "off"

# What loads extensions; None as long as the stand-in waits for the first one.
_loader: "Callable[..., ModuleType] | None" = None

# Threads that meet in the stand-in bring in the core once. A finalizer that imports an extension
# meanwhile runs in the thread that holds the lock.
_first_extension = _thread.RLock()


class HookError(RuntimeError):
    """The mode that was asked for cannot be had here; the text is one line for the user."""

    __module__ = "pythonnogil"


def install() -> None:
    """Do what the command line and the environment ask for, or end the process. Runs once.

    ``site`` prints exceptions of start-up files and goes on, which would leave the process in a
    weaker mode than it was asked to run in. So a failure ends it: one line on stderr, exit code 2.
    """
    if _installed:
        return
    try:
        use_what_was_asked_for()
    except Exception as error:
        _end_process(error)


def installed() -> bool:
    """Whether a mode was chosen in this interpreter."""
    return _installed


def mode() -> str:
    """The mode that extensions are loaded in; ``off`` when they are left to CPython."""
    return _mode


def mode_from_command_line() -> bool:
    """Whether an -X option chose the mode at start-up."""
    return any(name in sys._xoptions for name in _MODE_OPTIONS)


def use_what_was_asked_for() -> None:
    """Put the hook in place, in the mode that the command line or the environment asks for.

    Raises ValueError for a bad selection, HookError where the mode cannot be had.
    """
    if any("pythonnogil." in option for option in sys.warnoptions):
        from pythonnogil import _warning_options

        _warning_options.apply_again(sys.warnoptions)
    environment = None
    if not sys.flags.ignore_environment:
        environment = os.environ.get(ENVIRONMENT_VARIABLE)
    if not environment and not _any_option_of_ours():
        _wait_for_first_extension()
        return
    core = _load_core()
    chosen = core.resolve_mode(dict(sys._xoptions), list(sys.orig_argv), environment)
    _put_in_place(chosen, core)
    if mode_from_command_line():
        hand_on_to_children(chosen)


def use(mode: str) -> None:
    """Put the hook in place in *mode*, or change the mode of a hook that is.

    Raises ValueError for an unknown mode, HookError where the mode cannot be had.
    """
    if mode not in MODES:
        raise ValueError(f'pythonnogil: unknown mode "{mode}"; choose one of {", ".join(MODES)}')
    _put_in_place(mode, _load_core() if mode != "off" else None)


def hand_on_to_children(mode: str) -> None:
    """Leave the mode in the environment, since child processes do not inherit -X options.

    Children started with -E or -I, which is what multiprocessing does in a process that was
    itself started with them, do not look there and run in the default mode.
    """
    os.environ[ENVIRONMENT_VARIABLE] = mode


def create_first(spec: "ModuleSpec", /, *file: object) -> "ModuleType":
    """What the stand-in does with an extension that is not CPython's own."""
    with _first_extension:
        if _loader is None:
            _bring_in_core()
    assert _loader is not None
    return _loader(spec, *file)


pythonnogil._leave_out_of_tracebacks(create_first)


def _any_option_of_ours() -> bool:
    # At least all that the native core would recognise or refuse, so that an interpreter without
    # them never loads it.
    for name, value in sys._xoptions.items():
        squeezed = name.lower().replace("-", "").replace("_", "")
        if "nogil" in squeezed or squeezed.startswith("strictn") or value in _MODE_OPTIONS:
            return True
    return False


def _wait_for_first_extension() -> None:
    global _mode, _installed
    if not pythonnogil._gil_is_on:
        _imp.create_dynamic = pythonnogil._stand_in
    _mode = "gil"
    _installed = True


def _bring_in_core() -> None:
    try:
        _put_in_place("gil", _load_core())
    except HookError as error:
        _leave_to_cpython(str(error))


def _load_core() -> "ModuleType":
    try:
        import pythonnogil._core
    except ImportError as error:
        raise HookError(
            f"pythonnogil: its native core cannot be loaded ({error}); "
            "reinstall pythonnogil for this interpreter"
        ) from error
    return pythonnogil._core


def _put_in_place(mode: str, core: "ModuleType | None") -> None:
    # What strict mode refuses is refused with the GIL on as well.
    if core is None or mode == "off" or (mode != "strict-nogil" and pythonnogil._gil_is_on):
        _select(mode, original_create_dynamic)
        return
    obstacle = core.platform_support()
    if obstacle is None:
        core.install(mode, _announcer(mode))
        _select(mode, core.create_dynamic)
        return
    text = f"pythonnogil: no mode but off works on this platform: {obstacle.rstrip('.')}"
    if mode == "strict-nogil":
        raise HookError(text)
    _leave_to_cpython(text)


def _select(mode: str, loader: "Callable[..., ModuleType]") -> None:
    global _mode, _installed, _loader
    # Another tool may have wrapped the stand-in; it then stays in front and we behind it.
    if _imp.create_dynamic in (original_create_dynamic, pythonnogil._stand_in, _loader):
        _imp.create_dynamic = loader
    _mode = mode
    _installed = True
    _loader = loader


def _leave_to_cpython(text: str) -> None:
    _select("off", original_create_dynamic)
    from pythonnogil import _announcement

    _announcement.warn(f"{text}; extensions are left to CPython", RuntimeWarning)


def _announcer(mode: str) -> "Callable[[str, str, str], None]":
    # The mode is bound, not looked up: while another thread changes it, an extension that the core
    # loads in strict mode must not be announced in a weaker one.
    def announce(name: str, path: str, reason: str) -> None:
        # Built with a GIL, CPython's own single-phase extensions leave their declaration out.
        if pythonnogil._gil_is_on and pythonnogil._is_of_cpython(name, path):
            return
        from pythonnogil import _announcement

        _announcement.announce(mode, name, path, reason)

    return announce


def _end_process(error: Exception) -> None:
    line = " ".join(str(error).splitlines()) or type(error).__name__
    if not line.startswith("pythonnogil: "):
        line = f"pythonnogil: {line}"
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    os._exit(2)
