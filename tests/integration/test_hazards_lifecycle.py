"""Hazards of a process's life: fork, exit, signals and observers while threads are inside the
guard."""

import signal
from pathlib import Path

import pytest
from children import Stage
from processes import clean_environment, run_python


def test_fork_while_threads_are_inside(guarded: Stage) -> None:
    assert guarded.check("fork_inside.py")["forks"] > 0


@pytest.mark.parametrize("state", ["callback", "held_back", "importing"])
def test_fork_from_a_state_the_child_has_to_get_out_of(guarded: Stage, state: str) -> None:
    guarded.check("fork_from.py", state)


@pytest.mark.parametrize("attempt", range(5))
def test_exit_with_daemon_threads_inside(guarded: Stage, attempt: int) -> None:
    assert guarded.check("daemons_at_exit.py")["count"] > 0


@pytest.mark.parametrize("attempt", range(3))
def test_legacy_code_runs_at_exit_while_daemon_threads_wait(guarded: Stage, attempt: int) -> None:
    """A daemon thread that is handed the guard while the runtime ends never comes back with it."""
    guarded.check("die_at_exit.py")


@pytest.mark.parametrize("way", ["sys.exit", "os._exit", "Py_Exit", "Py_Exit in a callback"])
def test_exit_inside_a_guarded_call(guarded: Stage, way: str) -> None:
    outcome = guarded.attempt("exit_inside.py", way)
    assert (outcome.rc, outcome.stderr) == (7, "")


def test_sections_in_disorder_end_the_process(guarded: Stage) -> None:
    """As when another library than greenlet has switched stacks. No lock can be trusted then."""
    outcome = guarded.attempt("exit_inside.py", "sections in disorder")
    assert outcome.rc == -signal.SIGABRT
    assert "Fatal Python error" in outcome.stderr
    assert "a guarded call ended on another C stack than the one it began on" in outcome.stderr


def test_thread_ended_by_unwinding(guarded: Stage) -> None:
    guarded.check("unwound.py")


def test_thread_ended_by_unwinding_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("unwound.py")


@pytest.mark.parametrize(
    ("kind", "raised", "handled"),
    [("signal", "KeyboardInterrupt", 0), ("handler", "", 1), ("asynchronous", "Sent", 0)],
)
def test_exception_sent_to_a_waiting_thread(
    guarded: Stage, kind: str, raised: str, handled: int
) -> None:
    """It arrives when the thread has been let in and out, and leaves nothing locked."""
    report = guarded.check("interrupted.py", kind)
    assert report["waited"], "the thread did not wait for the guard"
    assert (report["name"], report["handled"]) == (raised, handled)


OBSERVERS = ["settrace", "setprofile", "monitoring", "tracemalloc", "faulthandler"]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_observer_of_guarded_calls(guarded: Stage, unguarded: Stage, observer: str) -> None:
    """The guard holds under it, and what it sees is the same as without a guard."""
    report = guarded.check("observed.py", observer)
    assert report["seen"] > 0
    plain = unguarded.run("observed.py", observer)
    assert (report["alone"], report["seen"]) == (plain["alone"], plain["seen"])


@pytest.mark.parametrize("observer", OBSERVERS)
def test_observer_of_guarded_calls_control(unguarded: Stage, observer: str) -> None:
    unguarded.assert_hazard("observed.py", observer)


POOL = """
import concurrent.futures, multiprocessing, sys, threading
def count():
    import pythonnogil, static_counter
    static_counter.reset()
    def often():
        for _ in range(10_000):
            static_counter.increment()
    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return pythonnogil.mode(), static_counter.count(), sys._is_gil_enabled()
if __name__ == "__main__":
    method, used_before = sys.argv[1:]
    if used_before == "used":
        print(*count())
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        for future in [pool.submit(count) for _ in range(3)]:
            try:
                print(*future.result(timeout=50))
            except ImportError as error:
                print(str(error).partition(" (")[0], error.name)
"""
REFUSED = "strict-nogil refuses 'static_counter' static_counter"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(
    ("options", "variable", "used", "line"),
    [
        ([], None, "used", "gil 40000 False"),
        ([], None, "fresh", "gil 40000 False"),
        (["-X", "nogil-mode=gil"], "strict-nogil", "fresh", "gil 40000 False"),
        (["-X", "strict-nogil"], None, "fresh", REFUSED),
        ([], "strict-nogil", "fresh", REFUSED),
    ],
)
def test_process_pool(
    tmp_path: Path,
    extensions: Path,
    method: str,
    options: list[str],
    variable: str | None,
    used: str,
    line: str,
) -> None:
    """Legacy code in the children of a pool is treated as in the parent, however they are made."""
    program = tmp_path / "program.py"
    program.write_text(POOL)
    settings = {} if variable is None else {"PYTHONNOGIL_MODE": variable}
    environment = clean_environment(PYTHONPATH=extensions, **settings)
    done = run_python(*options, program, method, used, env=environment)
    assert done.lines() == [line] * (4 if used == "used" else 3)
