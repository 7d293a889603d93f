"""Waits for a thread that stays inside for long but calls into CPython: it has to be let in before that one is done."""

import time

import stage

SECONDS = 3.0
module = stage.load("long_holder")


def hold() -> float:
    module.call_for(lambda: None, SECONDS)
    return time.monotonic()


def wait() -> float:
    time.sleep(SECONDS / 10)
    module.touch()
    return time.monotonic()


held_until, let_in_at = stage.together(hold, wait)
stage.report(int(let_in_at >= held_until), let_in_early_by=held_until - let_in_at)
