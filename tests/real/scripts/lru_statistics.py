"""lru-dict: all threads use one cache, a dict and a linked list that have to agree."""

import crowd
import stage

lru = stage.load("lru")
SIZE = 50
KEYS = 90
LOOKUPS = 40_000  # in each thread
cache = lru.LRU(SIZE)


def use(number: int) -> int:
    wrong = 0
    for turn in range(LOOKUPS):
        key = (turn * 31 + number * 7) % KEYS
        square = cache.get(key)
        if square is None:
            cache[key] = key * key
        else:
            wrong += square != key * key
        if turn % 100 == 0:
            wrong += len(cache.items()) > SIZE
    return wrong


wrong_values = crowd.wrong(use)
kept = cache.keys()
repeated = len(kept) - len(set(kept))
lost_lookups = stage.THREADS * LOOKUPS - sum(cache.get_stats())
crowd.report(
    wrong_values + repeated + abs(lost_lookups) + abs(len(kept) - len(cache)),
    repeated=repeated,
    lost_lookups=lost_lookups,
    kept=len(kept),
)
