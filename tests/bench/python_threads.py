"""Two threads of pure Python in a process that has a legacy module loaded.

python_threads.py MODULE ROUNDS [PERIOD] prints the seconds they took, and whether the GIL is on
afterwards. With a period in seconds, a third thread calls an empty function of the module that
often.
"""

import importlib
import sys
import threading
import time
from collections.abc import Callable

# A lease on the GIL ends a moment after the call that needed it.
LONGEST_LEASE = 0.3


def work(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number & 7
    return total


def call_often(function: Callable[[], object], period: float, end: threading.Event) -> None:
    begin = time.perf_counter()
    calls = 0
    while not end.wait(max(0.0, begin + calls * period - time.perf_counter())):
        function()
        calls += 1


def gil_stays_on() -> bool:
    deadline = time.perf_counter() + LONGEST_LEASE
    while sys._is_gil_enabled() and time.perf_counter() < deadline:
        time.sleep(0.01)
    return sys._is_gil_enabled()


def main() -> None:
    module = importlib.import_module(sys.argv[1])
    rounds = int(sys.argv[2])
    end = threading.Event()
    callers = [
        threading.Thread(target=call_often, args=(module.empty, float(period), end))
        for period in sys.argv[3:]
    ]
    threads = [threading.Thread(target=work, args=(rounds,)) for _ in range(2)]
    for caller in callers:
        caller.start()
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    end.set()
    for caller in callers:
        caller.join()
    print(seconds, int(gil_stays_on()))


if __name__ == "__main__":
    main()
