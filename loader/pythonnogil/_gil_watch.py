"""Watches extensions load, and finds out which of them turned the GIL on.

CPython turns the GIL on for the length of every load, so only when no load is under way does a look
tell anything. Of what was loaded since the GIL was last seen off, the first extension that went
past the guard and does not declare its safety is the one.

Thread-safety: any thread may load; the lock is never held while code of others runs.
"""

import _imp
import os
import sys
import threading
import time
from dataclasses import dataclass

import pythonnogil
from pythonnogil import _announcement, _gil_state, _startup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType

# The GIL may be on for a moment, while a thread of somebody else's loads an extension.
_PATIENCE = 1.0
_PAUSE = 0.02

# What is above the last of these in a chain is how the tests are run, not who imports.
_TEST_RUNNERS = ("_pytest", "pluggy", "xdist", "execnet")


@dataclass(frozen=True)
class Load:
    """An extension that was loaded, or that failed to, and the modules that import each other."""

    name: str
    path: str
    chain: tuple[str, ...]


@dataclass(frozen=True)
class Culprit:
    """An extension for which CPython turned the GIL on, or would have if it were not on."""

    extension: _gil_state.Extension
    chain: tuple[str, ...]


class GilWatch:
    """Stands in front of the extension loader between `start` and `stop`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._loads: list[Load] = []
        self._earlier: list[_gil_state.Extension] = []
        self._inner = _imp.create_dynamic
        self._wraps_others = False
        self._front = self._make_front()
        self.is_idle = _gil_state.is_on_by_request()

    def start(self) -> None:
        """Begin to watch, unless the GIL is on by request, when there is nothing to find out."""
        if self.is_idle:
            return
        if sys._is_gil_enabled():
            self._earlier = _gil_state.unseen()
        ours = (
            _startup.original_create_dynamic,
            pythonnogil._stand_in,
            _startup.loader_in_force(),
        )
        self._wraps_others = _imp.create_dynamic not in ours
        self._inner = _imp.create_dynamic
        _imp.create_dynamic = self._front

    def stop(self) -> None:
        """Stop watching; another tool that came later stays in front."""
        if _imp.create_dynamic is self._front:
            _imp.create_dynamic = self._next_loader()

    def gil_came_on(self) -> bool:
        """Whether the GIL is on, and not only for a moment, without having been asked for."""
        return not self.is_idle and _stays_on()

    def culprits(self) -> list[Culprit]:
        """Who turned the GIL on, first, and who else would have, if the GIL came on."""
        seen = _gil_state.seen_by_hook()
        with self._lock:
            loads = [item for item in self._loads if (item.name, item.path) not in seen]
        watched = [Culprit(_gil_state.examine(item.name, item.path), item.chain) for item in loads]
        earlier = [Culprit(item, ()) for item in self._earlier]
        return [item for item in earlier + watched if item.extension.may_turn_gil_on()]

    def _next_loader(self) -> "Callable[..., ModuleType]":
        # The hook may have been put in place, or have changed its mode, since the watch began.
        return self._inner if self._wraps_others else _startup.loader_in_force()

    def _make_front(self) -> "Callable[..., ModuleType]":
        def create_dynamic(spec: "ModuleSpec", /, *file: object) -> "ModuleType":
            self._before(spec, sys._getframe(1))
            try:
                return self._next_loader()(spec, *file)
            finally:
                self._after()

        pythonnogil._leave_out_of_tracebacks(create_dynamic)
        return create_dynamic

    def _before(self, spec: "ModuleSpec", frame: "FrameType") -> None:
        load = Load(str(spec.name), str(spec.origin), import_chain(frame))
        with self._lock:
            self._under_way += 1
            self._loads.append(load)

    def _after(self) -> None:
        with self._lock:
            self._under_way -= 1
            if self._under_way == 0 and not sys._is_gil_enabled():
                self._loads.clear()


def import_chain(frame: "FrameType | None") -> tuple[str, ...]:
    """The modules above *frame* in each of which an import is under way, the outermost first."""
    chain: list[str] = []
    below_is_import = False
    while frame is not None:
        code = frame.f_code
        is_import = code.co_filename.startswith(_announcement.NOT_THE_IMPORTING_LINE)
        if below_is_import and not is_import:
            name = str(frame.f_globals.get("__name__", "?"))
            if name.partition(".")[0] in _TEST_RUNNERS:
                break
            chain.append(f"{name} ({_short(code.co_filename)}:{frame.f_lineno})")
        below_is_import = is_import
        frame = frame.f_back
    return tuple(reversed(chain))


def _short(file: str) -> str:
    try:
        below = os.path.join(os.getcwd(), "")
    except OSError:
        return file
    return file.removeprefix(below)


def _stays_on() -> bool:
    end = time.monotonic() + _PATIENCE
    while sys._is_gil_enabled():
        if time.monotonic() > end:
            return True
        time.sleep(_PAUSE)
    return False
