"""Two threads of pure Python in a process that has a legacy module loaded. Prints the seconds they took."""

import sys
import threading
import time

import legacy_calls  # noqa: F401

ROUNDS = 1_500_000


def work() -> int:
    total = 0
    for number in range(ROUNDS):
        total += number & 7
    return total


def main() -> None:
    threads = [threading.Thread(target=work) for _ in range(2)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(time.perf_counter() - start, int(sys._is_gil_enabled()))


if __name__ == "__main__":
    main()
