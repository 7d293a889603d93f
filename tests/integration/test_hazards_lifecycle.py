"""Hazards of a process's life: fork and exit while threads are inside the guard."""

import pytest
from children import Stage


def test_fork_while_threads_are_inside(guarded: Stage) -> None:
    assert guarded.check("fork_inside.py")["forks"] > 0


@pytest.mark.parametrize("attempt", range(5))
def test_exit_with_daemon_threads_inside(guarded: Stage, attempt: int) -> None:
    assert guarded.check("daemons_at_exit.py")["count"] > 0
