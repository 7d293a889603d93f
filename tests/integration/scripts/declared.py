"""Is in a declared module from several threads at once, which nothing may keep apart: MODULE."""

import sys
import time

import stage

SLEEP = 0.2
TIMES = 100_000
stage.load("static_counter")
module = stage.load(sys.argv[1])
start = time.monotonic()
stage.together(*[lambda: module.sleep_attached(int(SLEEP * 1e6))] * stage.THREADS)
elapsed = time.monotonic() - start
stage.together(*[lambda: stage.repeat(module.increment, TIMES)] * stage.THREADS)
stage.report(abs(stage.THREADS * TIMES - module.count()), elapsed=elapsed)
