"""Runs one workload in its own process and reports it on standard output.

A workload is a script that calls `run(prepare)`. `prepare` imports the legacy package and returns
a `Plan`: one job per thread and a final check. Two JSON lines are written: the first as soon as the
package is imported, so that the state of the GIL is known even if the process dies later, and the
second at the end: `{"gil": bool, "right": bool, "seconds": float, "detail": str}`.
"""

import faulthandler
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


class WrongResult(Exception):
    """A job or the final check found something else than the known answer."""


@dataclass(frozen=True)
class Plan:
    """The work of one run: `jobs` start together, `verify` runs when all have ended.

    Each raises `WrongResult` if the answer is wrong; `verify` otherwise says what was done.
    """

    jobs: list[Callable[[], None]]
    verify: Callable[[], str]


def expect(what: str, found: object, known: object) -> None:
    """Raise `WrongResult` unless `found` is the known answer."""
    if found != known:
        raise WrongResult(f"{what}: {found!r} instead of {known!r}")


def run(prepare: Callable[[], Plan]) -> None:
    """Do the work of one process: import, all jobs at once, check, report."""
    faulthandler.enable()
    try:
        plan = prepare()
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        _report(stage="refused", right=False, seconds=None, detail=str(error))
        return
    _report(stage="imported")
    errors, seconds = _run_together(plan.jobs)
    detail = ""
    try:
        detail = plan.verify()
    except WrongResult as error:
        errors.append(str(error))
    _report(
        stage="finished",
        right=not errors,
        seconds=round(seconds, 4),
        detail="; ".join(errors) or detail,
    )


def _report(**fields: object) -> None:
    """Write one JSON line and have it leave the process at once."""
    print(json.dumps({"gil": sys._is_gil_enabled(), **fields}), flush=True)


def _one_line(error: BaseException | None) -> str:
    """Describe an error; also one that Python had to ignore, as those of a destructor."""
    return str(error) if isinstance(error, WrongResult) else f"{type(error).__name__}: {error}"


def _run_together(jobs: list[Callable[[], None]]) -> tuple[list[str], float]:
    """Run each job on a thread of its own; return what went wrong, and the seconds for all."""
    errors: list[str] = []
    start = threading.Barrier(len(jobs) + 1)
    sys.unraisablehook = lambda ignored: errors.append(_one_line(ignored.exc_value))

    def body(job: Callable[[], None]) -> None:
        start.wait()
        try:
            job()
        except Exception as error:
            errors.append(_one_line(error))

    threads = [threading.Thread(target=body, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return errors, time.perf_counter() - began
