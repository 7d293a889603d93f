"""Sleeps in legacy code from several threads: detached, where they overlap, or attached: KIND."""

import sys
import time

import stage

SLEEP = 0.2
kind = sys.argv[1]
module = stage.load("blocking_region")
function = getattr(module, f"sleep_{kind}")
start = time.monotonic()
stage.together(*[lambda: function(int(SLEEP * 1e6))] * stage.THREADS)
elapsed = time.monotonic() - start

# While somebody sleeps detached, others may enter and leave.
entered = 0
if kind == "detached":

    def enter_meanwhile() -> None:
        global entered
        span = stage.Span(SLEEP / 2)
        while span:
            module.sleep_detached(0)
            entered += 1

    stage.together(lambda: function(int(SLEEP * 1e6)), enter_meanwhile)

stage.report(module.overlaps(), elapsed=elapsed, entered=entered, overlaps=module.overlaps())
