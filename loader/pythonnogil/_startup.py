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

    from pythonnogil._core import Policy
    from pythonnogil._switches import Switch

MODES = ("gil", "strict-nogil", "unsafe-nogil", "off")
ENVIRONMENT_VARIABLE = "PYTHONNOGIL_MODE"
POLICY_VARIABLE = "PYTHONNOGIL_POLICY"
SHIPPED_POLICY = os.path.join(os.path.dirname(__file__), "policy.toml")
_MODE_OPTIONS = ("strict-nogil", "unsafe-nogil", "nogil-mode")

# CPython's own loader. The native core calls it too, and takes it from here: when the core is
# loaded late, _imp.create_dynamic is already the stand-in.
original_create_dynamic = pythonnogil._original_create_dynamic

_installed = pythonnogil._in_default_mode
_mode = "gil" if _installed else "off"
_mode_was_chosen = False
_by_start_up_file = _installed

# What the native core read; the file is the user's. None until there is a core.
_policy: "Policy | None" = None
_policy_file: str | None = None

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
    global _by_start_up_file
    if _installed:
        return
    _by_start_up_file = True
    try:
        use_what_was_asked_for()
    except Exception as error:
        _end_process(error)


def installed() -> bool:
    """Whether a mode was chosen in this interpreter."""
    return _installed


def installed_by_start_up_file() -> bool:
    """Whether a start-up file put the hook in place, and not the program."""
    return _by_start_up_file


def mode_was_chosen_by_program() -> bool:
    """Whether a call chose the mode, and neither an option nor a variable nor a file."""
    return _mode_was_chosen


def loader_in_force() -> "Callable[..., ModuleType]":
    """What loads extensions now: what the hook put in place, or CPython's own loader."""
    if _loader is not None:
        return _loader
    waits = _installed and not pythonnogil._gil_is_on
    return pythonnogil._stand_in if waits else original_create_dynamic


def mode() -> str:
    """The mode that extensions are loaded in; ``off`` when they are left to CPython."""
    return _mode


def mode_from_command_line() -> bool:
    """Whether an -X option chose the mode at start-up."""
    return mode_option() is not None


def mode_option() -> str | None:
    """The -X option that chose the mode at start-up, as it was written."""
    for name in _MODE_OPTIONS:
        if name in sys._xoptions:
            value = sys._xoptions[name]
            return f"-X {name}" if value is True else f"-X {name}={value}"
    return None


def policy_file() -> str | None:
    """The user's policy file in force, as an absolute path."""
    return _policy_file


def variable(name: str) -> str | None:
    """The value of an environment variable, unless -E or -I silences it."""
    return None if sys.flags.ignore_environment else os.environ.get(name)


def use_what_was_asked_for() -> None:
    """Do what the command line or the environment asks for: the hook in a mode, reports, a trace.

    Raises ValueError for a bad selection or policy, HookError where the mode cannot be had.
    """
    _use_mode_asked_for()
    asked_for = variable("PYTHONNOGIL_REPORT") or variable("PYTHONNOGIL_REPORT_SIGNAL")
    if asked_for or any(name.startswith("nogil-report") for name in sys._xoptions):
        from pythonnogil import _reporting

        _reporting.begin_if_asked_for()
    if variable("PYTHONNOGIL_TRACE") or "nogil-trace" in sys._xoptions:
        from pythonnogil import _tracing

        _tracing.begin_if_asked_for()


def _use_mode_asked_for() -> None:
    if any("pythonnogil." in option for option in sys.warnoptions):
        from pythonnogil import _warning_options

        _warning_options.apply_again(sys.warnoptions)
    nothing_asked_for = not any(map(variable, pythonnogil._VARIABLES))
    if nothing_asked_for and not _any_option_of_ours():
        _wait_for_first_extension()
        return
    core = load_core()
    switches = _switches_asked_for()
    file = policy_asked_for(core)
    policy = read_policy(core, file)
    chosen = mode_asked_for(core, core.describe_policy(policy)["mode"])
    _put_in_place(chosen, core, policy, file)
    for switch in switches:
        switch.turn_on(core)
    hand_on_to_children(chosen if mode_from_command_line() else None, file)


def use(mode: str | None, policy: "str | os.PathLike[str] | None" = None) -> None:
    """Put the hook in place in *mode* and with *policy*, or change those of a hook that is.

    Raises ValueError for an unknown mode or a bad policy, HookError where the mode cannot be had.
    """
    global _mode_was_chosen
    if mode is not None and mode not in MODES:
        raise ValueError(f'pythonnogil: unknown mode "{mode}"; choose one of {", ".join(MODES)}')
    # Where a start-up file put the hook in place, it has turned these on.
    switches = [] if _installed else _switches_asked_for()
    core = load_core() if policy is not None or switches or mode != "off" else None
    if policy is None:
        assert mode is not None
        _put_in_place(mode, core if mode != "off" else None, _policy, _policy_file)
    else:
        file = os.path.abspath(os.fsdecode(policy))
        read = read_policy(core, file)
        _put_in_place(mode or _mode_that_stays(core, read), core, read, file)
    for switch in switches:
        switch.turn_on(core)
    _mode_was_chosen = _mode_was_chosen or mode is not None


def _switches_asked_for() -> "list[Switch]":
    from pythonnogil import _switches

    return _switches.asked_for()


def policy_asked_for(core: "ModuleType") -> str | None:
    """The policy file that the command line or the environment names, as an absolute path."""
    options = dict(sys._xoptions), list(sys.orig_argv)
    file = core.resolve_policy(*options, variable(POLICY_VARIABLE))
    return None if file is None else os.path.abspath(file)


def read_policy(core: "ModuleType", file: str | None) -> "Policy":
    """The policy of *file*, if there is one, together with the one that comes with the package."""
    if file is None:
        return _shipped_policy(core)
    return core.read_policy(file, SHIPPED_POLICY)


def mode_asked_for(core: "ModuleType", mode_of_policy: str | None) -> str:
    """The mode that the command line, the environment or else the policy file chooses."""
    options = dict(sys._xoptions), list(sys.orig_argv)
    return core.resolve_mode(*options, variable(ENVIRONMENT_VARIABLE), mode_of_policy)


def load_core() -> "ModuleType":
    """The native core. Raises HookError where it cannot be loaded."""
    try:
        import pythonnogil._core
    except ImportError as error:
        raise HookError(
            f"pythonnogil: its native core cannot be loaded ({error}); "
            "reinstall pythonnogil for this interpreter"
        ) from error
    return pythonnogil._core


def hand_on_to_children(mode: str | None, policy: str | None) -> None:
    """Leave these in the environment, since child processes do not inherit -X options.

    From Python 3.14 on, those of multiprocessing do inherit them, so the path is put there as well.
    The path of the policy is absolute, because a child may run in another folder. Children started
    with -E or -I, which is what multiprocessing does in a process that was itself started with
    them, do not look there and run in the default mode.
    """
    if mode is not None:
        os.environ[ENVIRONMENT_VARIABLE] = mode
    if policy is not None:
        os.environ[POLICY_VARIABLE] = policy
        if "nogil-policy" in sys._xoptions:
            sys._xoptions["nogil-policy"] = policy


def create_first(spec: "ModuleSpec", /, *file: object) -> "ModuleType":
    """What the stand-in does with an extension that is not CPython's own."""
    with _first_extension:
        if _loader is None:
            _bring_in_core()
    assert _loader is not None
    return _loader(spec, *file)


pythonnogil._leave_out_of_tracebacks(create_first)


def _shipped_policy(core: "ModuleType") -> "Policy":
    try:
        return core.read_policy(None, SHIPPED_POLICY)
    except ValueError as error:
        raise HookError(f"{error}; reinstall pythonnogil") from error


def _mode_that_stays(core: "ModuleType", policy: "Policy") -> str:
    if _mode_was_chosen:
        return _mode
    mode_of_policy = core.describe_policy(policy)["mode"]
    return mode_asked_for(core, mode_of_policy or (_mode if _installed else None))


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
        core = load_core()
        _put_in_place("gil", core, read_policy(core, None), None)
    except HookError as error:
        _leave_to_cpython(str(error))


def _put_in_place(
    mode: str, core: "ModuleType | None", policy: "Policy | None", file: str | None
) -> None:
    global _policy, _policy_file
    if core is None or mode == "off":
        _select(mode, original_create_dynamic)
    else:
        policy = policy or _shipped_policy(core)
        # What is refused in strict mode is refused with the GIL on as well.
        refuses = mode == "strict-nogil" or core.describe_policy(policy)["refuses"]
        _use_core(mode, core, policy, refuses)
    _policy, _policy_file = policy, file


def _use_core(mode: str, core: "ModuleType", policy: "Policy", refuses: bool) -> None:
    if pythonnogil._gil_is_on and not refuses:
        _select(mode, original_create_dynamic)
        return
    obstacle = core.platform_support()
    if obstacle is None:
        core.install(mode, _announce, policy, pythonnogil._gil_is_on)
        _select(mode, core.create_dynamic)
        return
    text = f"pythonnogil: no mode but off works on this platform: {obstacle.rstrip('.')}"
    if refuses:
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


def _announce(
    mode: str, name: str, path: str, reason: str, evidence: str | None, mode_rule: str | None
) -> None:
    # Built with a GIL, CPython's own single-phase extensions leave their declaration out.
    if pythonnogil._gil_is_on and reason != "distrusted" and pythonnogil._is_of_cpython(name, path):
        return
    from pythonnogil import _announcement

    _announcement.announce(mode, name, path, reason, evidence, mode_rule)


def _end_process(error: Exception) -> None:
    line = " ".join(str(error).splitlines()) or type(error).__name__
    if not line.startswith("pythonnogil: "):
        line = f"pythonnogil: {line}"
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    os._exit(2)
