"""Legacy code that calls back, is called back, or is entered from where nobody expects it."""

import sys

import pytest
from children import Stage

WATCHERS = ["function watcher", "code watcher", "own dict", "shared dict", "type watcher"]
CALLBACKS = [
    *["audit hook", "frame evaluator", *WATCHERS],
    *["weak reference", "weak proxy", "input hook", "open code hook"],
]
if sys.version_info >= (3, 14):
    CALLBACKS.append("context watcher")


def test_blocking_callback_against_a_waiter(guarded: Stage) -> None:
    guarded.check("blocking_callback.py")


def test_blocking_callback_against_a_waiter_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("blocking_callback.py")


@pytest.mark.parametrize("kind", ["deep", "mutual"])
def test_reentry(guarded: Stage, kind: str) -> None:
    guarded.check("reentry.py", kind)


@pytest.mark.parametrize("kind", ["deep", "mutual"])
def test_reentry_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("reentry.py", kind)


@pytest.mark.parametrize("kind", ["nested", "foreign"])
def test_own_dealloc_inside_own_call(guarded: Stage, kind: str) -> None:
    report = guarded.check("own_dealloc.py", kind)
    assert report["lost_ends"] == 0
    assert report["overlaps"] == 0


@pytest.mark.parametrize("kind", ["nested", "foreign"])
def test_own_dealloc_inside_own_call_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("own_dealloc.py", kind)


@pytest.mark.parametrize("starter", ["pthread", "cpython"])
@pytest.mark.parametrize("way", ["ensure", "acquire", "release", "swap", "two states"])
def test_foreign_thread(guarded: Stage, way: str, starter: str) -> None:
    report = guarded.check("foreign_thread.py", way, starter)
    assert report["called"] == 3_000


@pytest.mark.parametrize("way", ["ensure", "acquire", "release", "swap", "two states"])
def test_foreign_thread_control(unguarded: Stage, way: str) -> None:
    unguarded.assert_hazard("foreign_thread.py", way, "cpython")


def test_interpreter_made_inside_a_call(guarded: Stage) -> None:
    guarded.check("new_interpreter.py")


def test_interpreter_made_inside_a_call_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("new_interpreter.py")


@pytest.mark.parametrize("threads", ["each", "all"])
@pytest.mark.parametrize("kind", ["profile", "trace"])
def test_profile_and_trace_callbacks(guarded: Stage, kind: str, threads: str) -> None:
    guarded.check("profile_hook.py", kind, threads)


@pytest.mark.parametrize("threads", ["each", "all"])
@pytest.mark.parametrize("kind", ["profile", "trace"])
def test_profile_and_trace_callbacks_control(unguarded: Stage, kind: str, threads: str) -> None:
    unguarded.assert_hazard("profile_hook.py", kind, threads)


def test_pending_calls(guarded: Stage) -> None:
    guarded.check("pending_calls.py")


def test_pending_calls_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("pending_calls.py")


@pytest.mark.parametrize("kind", CALLBACKS)
def test_callback(guarded: Stage, kind: str) -> None:
    guarded.check("callbacks.py", kind)


@pytest.mark.parametrize("kind", CALLBACKS)
def test_callback_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("callbacks.py", kind)


@pytest.mark.parametrize("kind", ["tracer", "allocator", "arenas"])
def test_callback_that_cannot_be_guarded(guarded: Stage, kind: str) -> None:
    report = guarded.check("unguardable_callbacks.py", kind)
    assert not report["installed"]
    assert "callbacks.cpython" in report["error"]
    assert "was not installed, because it cannot be guarded" in report["error"]


def test_allocator_that_needs_no_gil(guarded: Stage) -> None:
    report = guarded.check("unguardable_callbacks.py", "raw allocator")
    assert report["installed"]
    assert report["error"] == ""


@pytest.mark.parametrize("kind", ["tracer", "allocator", "arenas"])
def test_callback_that_cannot_be_guarded_control(unguarded: Stage, kind: str) -> None:
    assert unguarded.run("unguardable_callbacks.py", kind)["installed"]


def test_end_of_the_data_of_a_code_object(guarded: Stage) -> None:
    guarded.check("end_of_code.py")


def test_exit_functions(guarded: Stage) -> None:
    guarded.check("exit_functions.py")


@pytest.mark.parametrize("way", ["make", "make_late"])
def test_capsule_destructor(guarded: Stage, way: str) -> None:
    guarded.check("capsule_maker.py", way)


@pytest.mark.parametrize("way", ["make", "make_late"])
def test_capsule_destructor_control(unguarded: Stage, way: str) -> None:
    unguarded.assert_hazard("capsule_maker.py", way)


def test_cpp_exceptions_cross_the_guard(guarded: Stage) -> None:
    report = guarded.check("cpp_exceptions.py")
    assert report["not_caught"] == 0


def test_cpp_exceptions_cross_the_guard_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("cpp_exceptions.py")


def test_longjmp_inside_the_extension(guarded: Stage) -> None:
    """Leaves nothing locked behind."""
    guarded.check("long_jumps.py")


def test_longjmp_inside_the_extension_control(unguarded: Stage) -> None:
    unguarded.assert_hazard("long_jumps.py")


def test_long_holder_lets_waiters_in(guarded: Stage) -> None:
    """A holder that calls into CPython gives its turn up, as the holder of a GIL does."""
    assert guarded.check("long_holder.py")["let_in_early_by"] > 0


@pytest.mark.parametrize("kind", ["short", "long"])
def test_steps_are_not_interrupted(guarded: Stage, kind: str) -> None:
    """Whoever waits gets in between two calls, not in the middle of one that runs no Python code."""
    guarded.check("short_steps.py", kind)


@pytest.mark.parametrize("kind", ["short", "long"])
def test_steps_are_not_interrupted_control(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("short_steps.py", kind)


@pytest.mark.parametrize("kind", ["statics", "locked"])
def test_native_lock_held_across_a_call(guarded: Stage, kind: str) -> None:
    """A thread that gets in while CPython suspended the guard waits for the lock of the first, detached."""
    for _ in range(5):
        guarded.check("magic_static.py", kind)


def test_robust_mutex_whose_owner_has_ended(guarded: Stage, unguarded: Stage) -> None:
    """Legacy code gets it, and is told."""
    guarded.check("magic_static.py", "inherited")
    unguarded.check("magic_static.py", "inherited")
