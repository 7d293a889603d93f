"""How long a thread waits for its turn while another makes one legacy call of 50 us after another.

waits.py SAMPLES prints the median of the waits in seconds, and whether the GIL was on. A wait
lasts from the moment at which the thread woke up to the end of an empty legacy call. With the GIL
it waits to go on at all, with the guard it waits in the legacy call.
"""

import statistics
import sys
import threading
import time

import declared_calls
import legacy_calls


def main() -> None:
    end = False

    def hold() -> None:
        while not end:
            legacy_calls.hold()

    def wait() -> float:
        woken = declared_calls.nap()
        legacy_calls.empty()
        return time.monotonic() - woken

    holder = threading.Thread(target=hold)
    holder.start()
    waits = [wait() for _ in range(int(sys.argv[1]))]
    end = True
    holder.join()
    print(statistics.median(waits), int(sys._is_gil_enabled()))


if __name__ == "__main__":
    main()
