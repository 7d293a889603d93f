"""python-rapidjson: a callback out of the package waits for another thread that has to get into it.

With the GIL that works, because waiting lets the GIL go; whoever is in the package must not keep
all others out of it meanwhile.
"""

from concurrent.futures import ThreadPoolExecutor

import crowd
import stage

rapidjson = stage.load("rapidjson")
PATIENCE = 20.0
clerks = ThreadPoolExecutor(stage.THREADS)


class Price:
    """Something that JSON does not know."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


def ask_a_clerk(price: Price) -> dict[str, str]:
    text = clerks.submit(rapidjson.dumps, [price], default=lambda one: one.cents)
    return {"cents": text.result(PATIENCE)}


def dump(number: int) -> int:
    wrong = 0
    for turn in crowd.rounds():
        cents = 1000 * turn + number
        text = rapidjson.dumps({"price": Price(cents)}, default=ask_a_clerk)
        wrong += rapidjson.loads(text) != {"price": {"cents": f"[{cents}]"}}
    return wrong


found_wrong = crowd.wrong(dump)
clerks.shutdown()
crowd.report(found_wrong)
