"""greenlet: switches stacks in the middle of guarded calls, HOW: method|capsule. While a
greenlet is switched away from, neither the guard nor a lock may stay behind, and what its call
has borrowed must live on."""

import sys
import time

import greenlet
import stage

module = stage.load("switches_stacks")
GREENLETS = 5
ROUNDS = 300


class Item:
    """What legacy code borrows from a list that is emptied meanwhile."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def work(number: int, hub: greenlet.greenlet) -> int:
    """Switch to the hub inside a guarded call, again and again; how often that went wrong."""
    wrong = 0
    for turn in range(ROUNDS):
        text = f"{number}:{turn}"
        items = [Item(text)]

        def switch() -> None:
            items.clear()
            if sys.argv[1] == "method":
                module.increment()
                hub.switch()
            else:
                module.switch_to(hub)

        wrong += module.call(switch, items) != text
    return wrong


def run_hub() -> int:
    """Resume all greenlets in turn until they have ended; how many wrong results they saw."""
    hub = greenlet.getcurrent()
    workers = [greenlet.greenlet(work) for _ in range(GREENLETS)]
    wrong = 0
    for number, worker in enumerate(workers):
        worker.switch(number, hub)
    while workers:
        module.increment()
        time.sleep(0)
        results = [worker.switch() for worker in workers]
        wrong += sum(result or 0 for result in results if isinstance(result, int))
        workers = [worker for worker in workers if not worker.dead]
    return wrong


def leave_one_behind() -> None:
    """A greenlet that never comes back from its call is ended when it is dropped."""
    hub = greenlet.getcurrent()
    left = greenlet.greenlet(work)
    left.switch(0, hub)
    del left


wrong = sum(stage.together(*[run_hub] * stage.THREADS))
counts_of_a_call = 3 if sys.argv[1] == "method" else 4
expected = stage.THREADS * (GREENLETS * ROUNDS * counts_of_a_call + ROUNDS)
count = module.count()
leave_one_behind()
stage.together(*[lambda: stage.repeat(module.increment, ROUNDS)] * stage.THREADS)
stage.report(wrong + abs(expected - count), count=count, expected=expected)
