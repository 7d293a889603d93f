"""Lets the main thread run pending calls of legacy code while other threads are in it."""

import threading

import stage

SCHEDULED = 3_000
TIMES = 300_000
module = stage.load("pending_calls")
threads = [
    threading.Thread(target=stage.repeat, args=(module.increment, TIMES))
    for _ in range(stage.THREADS - 1)
]
for thread in threads:
    thread.start()
scheduled = 0
while scheduled < SCHEDULED:
    scheduled += module.schedule()
while module.still_pending():
    pass
for thread in threads:
    thread.join()
lost = 100 * SCHEDULED + (stage.THREADS - 1) * TIMES - module.count()
stage.report(abs(lost) + module.overlaps(), lost=lost, overlaps=module.overlaps())
