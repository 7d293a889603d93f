"""The watchdog: waits of a known length in known places, and what it prints about them."""

import re
from pathlib import Path

import pytest
from children import Outcome, Stage
from policies import rule, write
from processes import clean_environment, run_python

ON = {"PYTHONNOGIL_WATCHDOG": "0.2"}
BEGIN = "pythonnogil watchdog: "
WAITER = re.compile(r"thread (\d+) has waited (\d+\.\d\d) s for (.*), to run (.*)")
HOLDER = re.compile(r"thread (\d+) holds it for ([\w.]+)")


def run(stage: Stage, *words: object, settings: dict[str, str] | None = None) -> Outcome:
    """Run a case of the script, which has to end well."""
    outcome = stage.attempt("watchdog.py", *words, settings=ON if settings is None else settings)
    assert outcome.report is not None, f"ended with {outcome.rc}:\n{outcome.stderr}"
    return outcome


def stacks(text: str, thread: str) -> tuple[str, str]:
    """The Python and the C stack of a thread in what was printed."""
    part = text.split(f"\n  thread {thread}\n")[1]
    part = re.split(r"\n  thread \d+\n", part)[0]
    python, _, native = part.partition("    C stack (most recent call first):\n")
    return python, native


def assert_names(
    text: str, waiter: tuple[str, str, str], holder: tuple[str, str, str], goal: str
) -> None:
    """One wait is printed, once: the guarded function of each, one of its Python functions, one of
    its C functions."""
    assert text.count(BEGIN) == 1, text
    [(waiting_thread, seconds, what, function)] = WAITER.findall(text)
    [(holding_thread, held_for)] = HOLDER.findall(text)
    assert (function, what, held_for) == (waiter[0], goal, holder[0])
    assert 0.2 <= float(seconds) < 5
    assert waiting_thread != holding_thread
    for thread, names in ((waiting_thread, waiter), (holding_thread, holder)):
        python, native = stacks(text, thread)
        assert f"in {names[1]}\n" in python
        assert f" {names[2]}+0x" in native


GUARD = "the guard of domain process"
HOLD = ("opposite_a.hold", "<lambda>", "sleep_attached")


def test_long_hold(guarded: Stage) -> None:
    waiter = ("opposite_a.touch", "wait_behind", "PyCriticalSection_Begin")
    assert_names(run(guarded, "long hold").stderr, waiter, HOLD, GUARD)


@pytest.mark.parametrize(
    ("case", "waiter"),
    [
        ("deadlock on entry", ("opposite_b.give", "enter", "PyCriticalSection_Begin")),
        (
            "deadlock on resume",
            ("opposite_b.lock_outside", "lock_outside", "_PyCriticalSection_Resume"),
        ),
    ],
)
def test_deadlock_names_both_parties(
    guarded: Stage, case: str, waiter: tuple[str, str, str]
) -> None:
    """Two modules take a native lock and the guard in opposite orders."""
    python = "<lambda>" if case == "deadlock on entry" else "lock_inside"
    holder = ("opposite_a.lock_inside", python, "wait_for_lock")
    assert_names(run(guarded, case).stderr, waiter, holder, GUARD)


def test_many_waits_are_one_text(guarded: Stage) -> None:
    """All that wait for one lock are in the first text about it."""
    text = run(guarded, "many wait").stderr
    assert text.count(BEGIN) == 1
    waiters = WAITER.findall(text)
    assert [waiter[2:] for waiter in waiters] == [(GUARD, "opposite_a.touch")] * 3
    assert len({waiter[0] for waiter in waiters}) == 3
    assert [held_for for _, held_for in HOLDER.findall(text)] == ["opposite_a.hold"]


def test_writer_waits_for_a_reader(guarded: Stage, tmp_path: Path) -> None:
    policy = write(tmp_path, rule("opposite_a", 'scope = "module"', 'readers = ["hold"]'))
    text = run(guarded, "long hold", settings=ON | {"PYTHONNOGIL_POLICY": str(policy)}).stderr
    waiter = ("opposite_a.touch", "wait_behind", "nanosleep")
    [(_, _, goal, function)] = WAITER.findall(text)
    assert goal == "the readers of domain module opposite_a to leave"
    assert function == "opposite_a.touch"
    [(thread, _)] = re.findall(r"thread (\d+) reads for ([\w.]+)", text)
    assert f" {HOLD[2]}+0x" in stacks(text, thread)[1]
    assert waiter[1] in text


def test_reader_waits_for_a_writer(guarded: Stage, tmp_path: Path) -> None:
    policy = write(tmp_path, rule("opposite_a", 'scope = "module"', 'readers = ["touch"]'))
    text = run(guarded, "long hold", settings=ON | {"PYTHONNOGIL_POLICY": str(policy)}).stderr
    waiter = ("opposite_a.touch", "wait_behind", "PyCriticalSection_Begin")
    assert_names(text, waiter, HOLD, "the guard of domain module opposite_a")


@pytest.mark.parametrize("seconds", [{}, {"PYTHONNOGIL_WATCHDOG": "0"}])
def test_off(guarded: Stage, seconds: dict[str, str]) -> None:
    assert run(guarded, "long hold", settings=seconds).stderr == ""


@pytest.mark.parametrize("where", ["on entry", "on resume"])
def test_short_waits_are_not_added_up(guarded: Stage, where: str) -> None:
    """Also where a thread is found in the same place whenever it is looked at."""
    settings = {"PYTHONNOGIL_WATCHDOG": "0.5"}
    assert run(guarded, "short waits", where, settings=settings).stderr == ""


def test_each_wait_is_printed_when_it_is_long_enough(guarded: Stage) -> None:
    assert run(guarded, "long hold", settings={"PYTHONNOGIL_WATCHDOG": "30"}).stderr == ""


def test_state_on_signal(guarded: Stage) -> None:
    text = run(guarded, "state", settings={"PYTHONNOGIL_WATCHDOG_SIGNAL": "SIGUSR2"}).stderr
    assert text.startswith(BEGIN + "the state of process ")
    assert "\ndomain process\n" in text
    [(waiter, _, goal, function)] = WAITER.findall(text)
    assert (goal, function) == (GUARD, "opposite_a.touch")
    [(holder, held_for)] = HOLDER.findall(text)
    assert held_for == "opposite_a.hold"
    assert f" {HOLD[2]}+0x" in stacks(text, holder)[1]
    assert "in wait_behind\n" in stacks(text, waiter)[0]


def test_child_of_a_fork_has_its_own(guarded: Stage) -> None:
    waiter = ("opposite_a.touch", "wait_behind", "PyCriticalSection_Begin")
    assert_names(run(guarded, "fork").stderr, waiter, HOLD, GUARD)


def test_stderr_closed(guarded: Stage) -> None:
    run(guarded, "stderr closed")


def test_stderr_full(guarded: Stage) -> None:
    """The watchdog is stuck for good then, and holds nothing that the program needs."""
    run(guarded, "stderr full")


def test_files_of_the_program_are_left_alone(guarded: Stage, tmp_path: Path) -> None:
    """Also when it has closed the file that Python's stacks are written to."""
    text = run(guarded, "files closed", tmp_path).stderr
    assert HOLDER.findall(text) and "no Python stack" in text


def test_exit_while_daemon_threads_wait(guarded: Stage) -> None:
    run(guarded, "exit")


def test_with_the_gil_there_is_nothing_to_watch(guarded: Stage) -> None:
    environment = clean_environment(PYTHON_GIL="1", PYTHONNOGIL_WATCHDOG="0.2")
    program = "import os; print(len(os.listdir('/proc/self/task')))"
    assert run_python("-c", program, env=environment).lines() == ["1"]


def test_option_and_children(guarded: Stage) -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=1)"
    child = "import os; print(os.environ['PYTHONNOGIL_WATCHDOG'], len(os.listdir('/proc/self/task')))"
    assert run_python("-X", "nogil-watchdog=2.5", "-c", program, child).lines() == ["2.5 2"]


@pytest.mark.parametrize("value", ["", "x", "-1", "nan", "inf", "1e3", "1000001", "1 s"])
@pytest.mark.parametrize("place", ["-X nogil-watchdog", "PYTHONNOGIL_WATCHDOG"])
def test_bad_limit(place: str, value: str) -> None:
    by_option = place.startswith("-X")
    if not value and not by_option:
        return
    options = ["-X", f"nogil-watchdog={value}" if value else "nogil-watchdog"] if by_option else []
    environment = clean_environment(**({} if by_option else {place: value}))
    done = run_python(*options, "-c", "print('ran')", env=environment)
    expected = (
        f'pythonnogil: {place}: "{value}" is no number of seconds; '
        "write one such as 5 or 0.5, or 0 for off\n"
    )
    assert (done.rc, done.stdout, done.stderr) == (2, "", expected)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("SIGNONE", "is no signal"),
        ("10", "is no signal"),
        ("SIGINT", "is in use"),
        ("SIGKILL", "cannot be handled"),
        ("SIGSEGV", "is how the system reports a crash"),
        ("SIGRTMIN", "is a real-time signal"),
    ],
)
def test_bad_signal(name: str, what: str) -> None:
    environment = clean_environment(PYTHONNOGIL_WATCHDOG_SIGNAL=name)
    done = run_python("-c", "print('ran')", env=environment)
    expected = (
        f'pythonnogil: PYTHONNOGIL_WATCHDOG_SIGNAL: "{name}" {what}; '
        "write the name of one that nothing else uses, such as SIGUSR2\n"
    )
    assert (done.rc, done.stdout, done.stderr) == (2, "", expected)
