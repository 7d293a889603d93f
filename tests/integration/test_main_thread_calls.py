"""Calls that other threads have the main thread run, whatever it does."""

import pytest
from children import Stage

KINDS = (
    "computes",
    "joins",
    "waits_for_a_lock",
    "waits_for_an_event",
    "waits_for_a_queue",
    "sleeps",
    "selects",
    "receives",
    "runs_an_event_loop",
    "is_not_known_yet",
    "passes_values",
    "passes_exceptions",
    "nests",
    "is_busy_in_native_code",
    "serves_something_long",
    "has_a_handler_of_its_own",
    "is_interrupted",
    "forks",
    "ends",
)

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("kind", KINDS)
def test_main_thread(guarded: Stage, kind: str) -> None:
    guarded.check("main_thread_calls.py", kind, options=("-W", "ignore::DeprecationWarning"))
