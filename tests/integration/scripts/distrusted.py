"""Sleeps in one module in several threads at once, which only a guard keeps apart: MODULE.

The module has sleep_attached(microseconds), which lets go of nothing. `overlapped` tells whether
the sleepers ever slept together: guarded they never do, unguarded a busy machine may delay them.
"""

import sys
import time

import stage

SLEEP = 0.2
TRIES = 3
module = stage.load(sys.argv[1])


def sleep_together() -> float:
    """How long it takes all threads to sleep."""
    start = time.monotonic()
    stage.together(*[lambda: module.sleep_attached(int(SLEEP * 1e6))] * stage.THREADS)
    return time.monotonic() - start


fastest = min(sleep_together() for _ in range(TRIES))
stage.report(0, fastest=fastest, overlapped=fastest < SLEEP * stage.THREADS)
