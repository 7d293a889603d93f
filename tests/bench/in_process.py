"""The figures that one process can measure: guarded and plain calls of the same functions.

in_process.py ROUNDS GROUP prints one JSON object: for each figure, the pairs of its rounds. Run by
call_rows.py in processes where the hook guards, and a policy says how, if the group needs one.
"""

import json
import sys
import time
from collections.abc import Callable
from types import ModuleType

import declared_calls
import pythonnogil
from measure import Comparison, compare, second_thread, seconds_of_threads, seconds_per_call

CALLS = 100_000
LEVELS = 50


def calls(legacy: ModuleType, name: str, count: int, rounds: int, *arguments: object) -> Comparison:
    guarded, plain = getattr(legacy, name), getattr(declared_calls, name)
    return compare(
        lambda: seconds_per_call(guarded, *arguments, calls=count),
        lambda: seconds_per_call(plain, *arguments, calls=count),
        rounds,
    )


def loops(legacy: ModuleType, name: str, rounds: int, argument: object) -> Comparison:
    """Of functions that do the same thing many times in one call: seconds of one time."""
    times = 1000

    def seconds(module: ModuleType) -> float:
        return seconds_per_call(getattr(module, name), argument, times, calls=CALLS // 500) / times

    return compare(lambda: seconds(legacy), lambda: seconds(declared_calls), rounds)


def descend(module: ModuleType) -> float:
    """Seconds of one level of a call that goes LEVELS deep through Python callbacks."""

    def callback(level: int) -> None:
        if level:
            module.call_back(callback, level - 1)

    return seconds_per_call(module.call_back, callback, LEVELS, calls=400) / (LEVELS + 1)


def free_one_by_one(module: ModuleType) -> float:
    """Seconds of a call that leaves an object without references."""
    things = [module.Thing() for _ in range(CALLS)]
    return seconds_per_call(things.pop, calls=CALLS)


def free_all(module: ModuleType) -> float:
    """Seconds in which CPython frees one of many objects, with next to nothing in between."""
    things = [module.Thing() for _ in range(CALLS)]
    start = time.perf_counter()
    things.clear()
    return (time.perf_counter() - start) / CALLS


def recorded(rounds: int) -> Comparison:
    """A call that is recorded / the same call while nothing is."""
    import legacy_calls

    def seconds(*, on: bool) -> float:
        (pythonnogil.start_recording if on else pythonnogil.stop_recording)()
        return seconds_per_call(legacy_calls.empty, calls=CALLS)

    seconds(on=True)  # the first call of a thread and function allocates
    figure = compare(lambda: seconds(on=True), lambda: seconds(on=False), rounds)
    pythonnogil.stop_recording()
    return figure


def two_threads(module: ModuleType, rounds: int) -> Comparison:
    """Two threads that call a method of an object of their own / one thread that does."""

    def prepare() -> Callable[[], object]:
        work = module.Thing().work
        return lambda: seconds_per_call(work, calls=CALLS // 5)

    return compare(
        lambda: seconds_of_threads(2, prepare), lambda: seconds_of_threads(1, prepare), rounds
    )


def figures_of_calls(rounds: int) -> dict[str, Comparison]:
    import legacy_calls

    def both(measure: Callable[[ModuleType], float]) -> Comparison:
        return compare(lambda: measure(legacy_calls), lambda: measure(declared_calls), rounds)

    return {
        "empty": calls(legacy_calls, "empty", CALLS, rounds),
        "work": calls(legacy_calls, "work", CALLS // 20, rounds),
        "levels": both(descend),
        "things": calls(legacy_calls, "Thing", CALLS, rounds),
        "free one by one": both(free_one_by_one),
        "free all": both(free_all),
        "interposed": loops(legacy_calls, "truths", rounds, 1),
        "borrowed": loops(legacy_calls, "first_items", rounds, [object()]),
        "recorded": recorded(rounds),
    }


def figures_of_readers(rounds: int) -> dict[str, Comparison]:
    import reader_calls

    return {
        "empty": calls(reader_calls, "empty", CALLS, rounds),
        "two threads": two_threads(reader_calls, rounds),
    }


def figures_of_objects(rounds: int) -> dict[str, Comparison]:
    import object_calls

    return {"two threads": two_threads(object_calls, rounds)}


GROUPS = {"calls": figures_of_calls, "readers": figures_of_readers, "objects": figures_of_objects}


def main() -> None:
    rounds, group = int(sys.argv[1]), sys.argv[2]
    with second_thread():
        figures = GROUPS[group](rounds)
    if sys._is_gil_enabled():
        sys.exit("in_process.py: the GIL is on, so nothing was measured")
    json.dump({name: figure.pairs for name, figure in figures.items()}, sys.stdout)


if __name__ == "__main__":
    main()
