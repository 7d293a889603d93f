"""Seconds that the import of one module takes, in a process new to modules of its kind."""

import sys
import time

if len(sys.argv) > 2:
    __import__(sys.argv[2])  # brings in the hook's native core, so that the import alone is timed
start = time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - start)
