"""The trace of a program that was started with ``-X nogil-trace=FILE`` or ``PYTHONNOGIL_TRACE``.

In the name of the file "%p" is the number of the process. Where it is left out, processes that this
one starts or forks put their number in front of the ending.
"""

import atexit
import os
import sys
import threading
from typing import TYPE_CHECKING

from pythonnogil import _startup
from pythonnogil._usage import complain

if TYPE_CHECKING:
    from types import ModuleType

VARIABLE = "PYTHONNOGIL_TRACE"
LIMIT_VARIABLE = "PYTHONNOGIL_TRACE_LIMIT"
OPTION = "nogil-trace"


def begin_if_asked_for() -> None:
    """Begin the trace. A file that cannot be written costs the trace, and not the program.

    Raises ValueError for bad values and HookError where there is no native core.
    """
    file = _file_asked_for()
    if file is None:
        return
    limit = _limit_asked_for()
    core = _startup.load_core()
    try:
        begun = core.start_trace(file, *limit)
    except OSError as error:
        text = f"cannot write {file}: {error.strerror}; the program goes on without one"
        complain(f"warning: trace: {text}")
        return
    if begun:
        _name_threads(core)
        atexit.register(core.stop_trace)
        os.register_at_fork(after_in_child=_after_fork)
        _hand_on(file)


def _file_asked_for() -> str | None:
    if OPTION in sys._xoptions:
        value, place = sys._xoptions[OPTION], f"-X {OPTION}"
        if value is True or not value:
            raise ValueError(f"{place} needs a file; write {place}=FILE")
        return os.path.abspath(str(value))
    file = _startup.variable(VARIABLE)
    return os.path.abspath(file) if file else None


def _limit_asked_for() -> tuple[int, ...]:
    text = _startup.variable(LIMIT_VARIABLE)
    if not text:
        return ()
    if not text.isdecimal():
        raise ValueError(f'{LIMIT_VARIABLE} is "{text}"; write a number of bytes')
    return (int(text),)


def _name_threads(core: "ModuleType") -> None:
    # From 3.14 on the kernel knows the names, cut short; before that it does not.
    start = threading.Thread.start

    def start_and_name(self: threading.Thread) -> None:
        start(self)
        if self.native_id is not None:
            core.name_thread(self.native_id, self.name)

    start_and_name.__doc__ = start.__doc__
    threading.Thread.start = start_and_name  # type: ignore[method-assign]
    for thread in threading.enumerate():
        if thread.native_id is not None:
            core.name_thread(thread.native_id, thread.name)


def _after_fork() -> None:
    # Children of multiprocessing end without what is registered in atexit.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_startup, _end_with_multiprocessing)


def _end_with_multiprocessing(_: object) -> None:
    from multiprocessing import util

    util.Finalize(None, _startup.load_core().stop_trace, exitpriority=-1_000_000)


def _hand_on(file: str) -> None:
    """Leave the file to child processes, which inherit -X options from Python 3.14 on at most."""
    if "%p" not in os.path.basename(file):
        stem, ending = os.path.splitext(file)
        file = f"{stem}.%p{ending}"
    os.environ[VARIABLE] = file
    if OPTION in sys._xoptions:
        sys._xoptions[OPTION] = file
