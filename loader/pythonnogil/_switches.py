"""What watches a program and changes nothing in it: the record of overlapping calls, the watchdog."""

import os
import re
import sys
from typing import TYPE_CHECKING

import pythonnogil
from pythonnogil import _startup

if TYPE_CHECKING:
    from types import ModuleType

EVIDENCE_VARIABLE = "PYTHONNOGIL_EVIDENCE"
EVIDENCE_OPTION = "nogil-evidence"
WATCHDOG_VARIABLE = "PYTHONNOGIL_WATCHDOG"
WATCHDOG_OPTION = "nogil-watchdog"
WATCHDOG_SIGNAL_VARIABLE = "PYTHONNOGIL_WATCHDOG_SIGNAL"
_LONGEST_LIMIT = 1e6


def asked_for() -> "list[Switch]":
    """What the command line or the environment switches on; ValueError for a bad value."""
    switches = (_evidence(), _watchdog())
    return [switch for switch in switches if switch is not None]


class Switch:
    """Something that is to be watched."""

    def turn_on(self, core: "ModuleType") -> None:
        """Begin, and see to it that child processes do the same."""
        raise NotImplementedError


class _Evidence(Switch):
    def turn_on(self, core: "ModuleType") -> None:
        core.record_overlaps()
        os.environ[EVIDENCE_VARIABLE] = "1"


class _Watchdog(Switch):
    def __init__(self, seconds: float, state_signal: int) -> None:
        self._seconds = seconds
        self._state_signal = state_signal

    def turn_on(self, core: "ModuleType") -> None:
        if self._seconds:
            os.environ[WATCHDOG_VARIABLE] = f"{self._seconds:.9g}"
        if pythonnogil._gil_is_on:
            return
        number = core.watchdog_signal()
        if number == 0:
            return
        if number < 0:
            raise _startup.HookError(
                "pythonnogil: the watchdog needs a real-time signal, and all are in use; "
                f"leave {WATCHDOG_VARIABLE} and {WATCHDOG_SIGNAL_VARIABLE} out"
            )
        import atexit
        import faulthandler

        self._file = _memory_file()
        self._identity = os.fstat(self._file).st_ino
        faulthandler.register(number, self._file, all_threads=False)
        core.start_watchdog(self._seconds, self._state_signal, number, self._file)
        os.register_at_fork(after_in_child=lambda: core.restart_watchdog(self._file_of_child()))

        def stop() -> None:
            # In this order, so that a signal that is under way finds a handler or is ignored.
            core.stop_watchdog()
            faulthandler.unregister(number)
            core.stop_watchdog()

        atexit.register(stop)

    def _file_of_child(self) -> int:
        # Parent and child would write to one file. Its number may be another file's by now.
        try:
            if os.fstat(self._file).st_ino != self._identity:
                return -1
            own = _memory_file()
            os.dup2(own, self._file, inheritable=False)
            os.close(own)
            self._identity = os.fstat(self._file).st_ino
        except OSError:
            return -1
        return self._file


def _memory_file() -> int:
    return os.memfd_create("pythonnogil-watchdog")


def _watchdog() -> Switch | None:
    place, text = _setting(WATCHDOG_OPTION, WATCHDOG_VARIABLE, alone="")
    is_number = re.fullmatch(r"\d+(\.\d*)?|\.\d+", text)
    if (text or place.startswith("-X")) and not (is_number and float(text) <= _LONGEST_LIMIT):
        raise ValueError(
            f'pythonnogil: {place}: "{text}" is no number of seconds; '
            "write one such as 5 or 0.5, or 0 for off"
        )
    state_signal = _state_signal()
    seconds = float(text) if text else 0.0
    return _Watchdog(seconds, state_signal) if seconds or state_signal else None


def _state_signal() -> int:
    name = _startup.variable(WATCHDOG_SIGNAL_VARIABLE)
    if not name:
        return 0
    import signal

    faults = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT)
    number = signal.Signals.__members__.get(name)
    if number is None:
        what = "is no signal"
    elif number in (signal.SIGKILL, signal.SIGSTOP):
        what = "cannot be handled"
    elif number >= signal.SIGRTMIN:
        what = "is a real-time signal"
    elif number in faults:
        what = "is how the system reports a crash"
    elif signal.getsignal(number) != signal.SIG_DFL:
        what = "is in use"
    else:
        return number
    raise ValueError(
        f'pythonnogil: {WATCHDOG_SIGNAL_VARIABLE}: "{name}" {what}; '
        "write the name of one that nothing else uses, such as SIGUSR2"
    )


def _evidence() -> Switch | None:
    place, value = _setting(EVIDENCE_OPTION, EVIDENCE_VARIABLE, alone="1")
    if value not in ("", "0", "1"):
        raise ValueError(f'pythonnogil: {place}: unknown value "{value}"; write 1, or 0 for off')
    return _Evidence() if value == "1" else None


def _setting(option: str, variable: str, alone: str) -> tuple[str, str]:
    """Where a setting comes from and what it says; empty when there is none. -X comes first.

    *alone* is what the option means without a value.
    """
    if option in sys._xoptions:
        value = sys._xoptions[option]
        return f"-X {option}", alone if value is True else value
    return variable, _startup.variable(variable) or ""
