"""Reports of a running program: at its end and on a signal, if it was started that way.

The report is asked for by ``-X nogil-report[=FILE]`` or ``PYTHONNOGIL_REPORT``, the signal by
``-X nogil-report-signal=NAME`` or ``PYTHONNOGIL_REPORT_SIGNAL``. In the name of a file "%p" is the
number of the process. Where it is left out, processes that this one starts or forks put their
number in front of the ending, so that nobody writes over the report of another.

What is imported here is imported at start-up: at the end a program may have closed or hidden what
an import needs.
"""

import _thread
import atexit
import os
import signal
import sys
from types import FrameType

import pythonnogil
from pythonnogil import _report_output, _startup
from pythonnogil._stats import Stats, stats
from pythonnogil._usage import complain

VARIABLE = "PYTHONNOGIL_REPORT"
SIGNAL_VARIABLE = "PYTHONNOGIL_REPORT_SIGNAL"
_OPTION = "nogil-report"
_SIGNAL_OPTION = "nogil-report-signal"

# Handlers in Python cannot deal with these: the faulty instruction would run again and again.
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")

_begun = False


class _Reporter:
    """Writes the report of this process, and after a fork that of the child."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._render = _report_output.rendering(file)
        self._lock = _thread.allocate_lock()

    def write(self) -> None:
        """Write the report, or say in one line why not."""
        with self._lock:
            report = stats()
            if self._file == _report_output.STDERR:
                self._print(report)
            else:
                self._save(report, self._file.replace("%p", str(os.getpid())))

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Write the report in a thread of its own: the main thread may hold any lock just now."""
        try:
            _thread.start_new_thread(self.write, ())
        except RuntimeError as error:
            complain(f"no report on {signal.Signals(number).name}: {error}")

    def after_fork(self) -> None:
        """Become the reporter of the child."""
        self._file = _for_children(self._file)
        self._lock = _thread.allocate_lock()
        # The children of multiprocessing forget what is registered here and in atexit, but before
        # they come to this.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.register_after_fork(self, _Reporter.write_at_end_of_multiprocessing)

    def write_at_end_of_multiprocessing(self) -> None:
        """See to it that a child of multiprocessing, which ends in its own way, writes a report."""
        from multiprocessing import util

        util.Finalize(None, self.write, exitpriority=-1_000_000)

    def _print(self, report: Stats) -> None:
        try:
            _report_output.print_to(sys.stderr, report)
        except (OSError, ValueError):
            # There is nobody left to be told.
            return

    def _save(self, report: Stats, file: str) -> None:
        try:
            _report_output.write(self._render(report), file)
        except OSError as error:
            complain(
                f"cannot write the report to {file}: {error.strerror}; nothing else is affected"
            )


def begin_if_asked_for() -> None:
    """Begin to measure, and see to it that reports are written. Does it once.

    Raises ValueError for bad values and HookError where there is no native core.
    """
    global _begun
    file, number = _file_asked_for(), _signal_asked_for()
    if _begun or (file is None and number is None) or not _in_main_interpreter():
        return
    _begun = True
    pythonnogil.start_recording()
    reporter = _Reporter(_report_output.STDERR if file is None else file)
    os.register_at_fork(after_in_child=reporter.after_fork)
    if file is not None:
        atexit.register(reporter.write)
        _hand_on(VARIABLE, _OPTION, _for_children(file))
    if number is not None:
        _listen(reporter, number)
        _hand_on(SIGNAL_VARIABLE, _SIGNAL_OPTION, number.name)


def _file_asked_for() -> str | None:
    value, place = _setting(_OPTION, VARIABLE)
    if isinstance(value, bool):
        return _report_output.STDERR
    if value == "":
        raise ValueError(f"{place} needs a file; write {place}=FILE, or {place} for stderr")
    if value is None or value == _report_output.STDERR:
        return value
    return os.path.abspath(value)


def _signal_asked_for() -> signal.Signals | None:
    value, place = _setting(_SIGNAL_OPTION, SIGNAL_VARIABLE)
    if value is None:
        return None
    if isinstance(value, bool) or not value:
        raise ValueError(f"{place} needs the name of a signal; write {place}=SIGUSR1")
    if value not in signal.Signals.__members__:
        raise ValueError(f'unknown signal "{value}" in {place}; write {place}=SIGUSR1')
    if value in _FAULTS:
        raise ValueError(f"{place}={value} cannot ask for a report; write {place}=SIGUSR1")
    return signal.Signals[value]


def _setting(option: str, variable: str) -> tuple[str | bool | None, str]:
    """What was asked for, True for an option without a value, and by what."""
    if option in sys._xoptions:
        return sys._xoptions[option], f"-X {option}"
    return _startup.variable(variable) or None, variable


def _listen(reporter: _Reporter, number: signal.Signals) -> None:
    try:
        signal.signal(number, reporter.on_signal)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{number.name} cannot ask for a report: {error}; choose another signal, as SIGUSR1"
        ) from error


def _hand_on(variable: str, option: str, value: str) -> None:
    """Leave a value to child processes, which inherit -X options from Python 3.14 on at most."""
    os.environ[variable] = value
    if option in sys._xoptions:
        sys._xoptions[option] = value


def _for_children(file: str) -> str:
    if file == _report_output.STDERR or "%p" in os.path.basename(file):
        return file
    stem, ending = os.path.splitext(file)
    return f"{stem}.%p{ending}"


def _in_main_interpreter() -> bool:
    import _interpreters

    return _interpreters.get_current()[0] == _interpreters.get_main()[0]
