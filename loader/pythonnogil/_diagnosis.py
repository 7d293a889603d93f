"""Collects what ``doctor`` tells: facts about this process, each with where it comes from."""

import _imp
import os
import platform
import sys
from dataclasses import asdict, dataclass

import pythonnogil
from pythonnogil import _gil_state, _startup
from pythonnogil._gil_state import Extension

# From 3.15 on CPython reads .start files as well, and 3.18 ignores import lines in the other one.
_START_UP_FILES = (
    ("pythonnogil.pth",)
    if sys.version_info < (3, 15)
    else ("pythonnogil.start", "pythonnogil.pth")
)


@dataclass(frozen=True)
class Choice:
    """A setting: its value, where that comes from, and the variable that was silenced, if any."""

    value: str | None
    source: str
    silenced: str | None


@dataclass(frozen=True)
class Hook:
    """Whether the hook is in place, who put it there, and what CPython calls first."""

    installed: bool
    by: str | None
    start_up_files: list[str]
    first_loader: str


@dataclass(frozen=True)
class Diagnosis:
    """All that doctor tells, but for the advice."""

    interpreter: dict[str, str | bool]
    gil_enabled: bool
    gil_request: str | None
    hook: Hook
    unseen: list[Extension]
    mode: Choice
    policy: Choice
    obstacle: str | None

    def turned_gil_on(self) -> list[Extension]:
        """Those that may have turned the GIL on, in the order in which their imports ended."""
        if not self.gil_enabled or _gil_state.is_on_by_request():
            return []
        return [item for item in self.unseen if item.may_turn_gil_on()]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "interpreter": self.interpreter,
            "gil": {
                "enabled": self.gil_enabled,
                "request": self.gil_request,
                "turned_on_by": [asdict(item) for item in self.turned_gil_on()],
            },
            "hook": asdict(self.hook),
            "unseen": [asdict(item) for item in self.unseen],
            "mode": asdict(self.mode),
            "policy": asdict(self.policy),
            "platform": {"supported": self.obstacle is None, "obstacle": self.obstacle},
        }


def diagnose() -> Diagnosis:
    """Look at this process. Raises ValueError for a bad selection of a mode or a policy."""
    # First of all, because what follows loads modules.
    gil_enabled = sys._is_gil_enabled()
    hook = _hook()
    unseen = _gil_state.unseen()
    policy, mode_of_policy = _policy()
    return Diagnosis(
        _interpreter(),
        gil_enabled,
        _gil_state.request(),
        hook,
        unseen,
        _mode(mode_of_policy),
        policy,
        _obstacle(),
    )


def _interpreter() -> dict[str, str | bool]:
    return {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "free_threaded": _gil_state.FREE_THREADED,
        "executable": sys.executable,
        "pythonnogil": pythonnogil.__version__,
        "package": os.path.dirname(pythonnogil.__file__),
    }


def _hook() -> Hook:
    by = None
    if _startup.installed():
        by = "start-up file" if _startup.installed_by_start_up_file() else "program"
    return Hook(_startup.installed(), by, _start_up_files(), _first_loader())


def _start_up_files() -> list[str]:
    # Without site, the folder of the package is not in sys.path.
    own_folder = os.path.dirname(os.path.dirname(pythonnogil.__file__))
    folders = dict.fromkeys([*sys.path, own_folder])
    files = [os.path.join(folder, name) for folder in folders for name in _START_UP_FILES]
    return [file for file in files if os.path.isfile(file)]


def _first_loader() -> str:
    first = _imp.create_dynamic
    if first is _startup.original_create_dynamic:
        return "CPython"
    if first in (pythonnogil._stand_in, _startup.loader_in_force()):
        return "pythonnogil"
    name = getattr(first, "__qualname__", type(first).__qualname__)
    code = getattr(first, "__code__", None)
    place = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{getattr(first, '__module__', None) or '?'}.{name}{place}"


def _policy() -> tuple[Choice, str | None]:
    """The policy in force, or the one that was asked for, and the mode that it chooses."""
    silenced = _silenced(_startup.POLICY_VARIABLE)
    try:
        core = _startup.load_core()
    except _startup.HookError:
        return Choice(None, "default", silenced), None
    asked_for = _startup.policy_asked_for(core)
    file = _startup.policy_file() if _startup.installed() else asked_for
    mode = core.describe_policy(_startup.read_policy(core, file))["mode"]
    source = "program"
    if file is None:
        source = "default"
    elif file == asked_for:
        source = _startup.POLICY_VARIABLE
        if "nogil-policy" in sys._xoptions:
            source = f"-X nogil-policy={sys._xoptions['nogil-policy']}"
    return Choice(file, source, silenced), mode


def _mode(mode_of_policy: str | None) -> Choice:
    silenced = _silenced(_startup.ENVIRONMENT_VARIABLE)
    mode = _startup.mode()
    if not _startup.installed():
        # A bad selection is an error here as it is at start-up.
        _mode_asked_for(mode_of_policy)
        return Choice(mode, "no hook", silenced)
    if _startup.mode_was_chosen_by_program():
        return Choice(mode, "program", silenced)
    if mode == "off" and _mode_asked_for(mode_of_policy) != "off":
        return Choice(mode, "no support", silenced)
    source = "default"
    if option := _startup.mode_option():
        source = option
    elif _startup.variable(_startup.ENVIRONMENT_VARIABLE):
        source = _startup.ENVIRONMENT_VARIABLE
    elif mode_of_policy is not None:
        source = "policy"
    return Choice(mode, source, silenced)


def _mode_asked_for(mode_of_policy: str | None) -> str:
    try:
        return _startup.mode_asked_for(_startup.load_core(), mode_of_policy)
    except _startup.HookError:
        return "gil"


def _silenced(name: str) -> str | None:
    value = os.environ.get(name)
    return f"{name}={value}" if value and sys.flags.ignore_environment else None


def _obstacle() -> str | None:
    try:
        obstacle: str | None = _startup.load_core().platform_support()
    except _startup.HookError as error:
        return str(error).removeprefix("pythonnogil: ")
    return obstacle
