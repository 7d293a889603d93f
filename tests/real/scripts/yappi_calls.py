"""yappi: its profile hook runs in every thread and counts calls in tables that all share."""

import crowd
import stage

yappi = stage.load("_yappi", "yappi")
FIRST = 12
TIMES = 150
CALLS = 465  # of fibonacci, for fibonacci(FIRST)


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def compute(_: int) -> int:
    return sum(fibonacci(FIRST) != 144 for _ in range(TIMES))


yappi.set_clock_type("wall")
yappi.start()
wrong_results = crowd.wrong(compute)
yappi.stop()
(statistics,) = [one for one in yappi.get_func_stats() if one.name == "fibonacci"]
miscounted = statistics.ncall - stage.THREADS * TIMES * CALLS
crowd.report(wrong_results + abs(miscounted), miscounted=miscounted)
