"""Makes happen, in several threads, what callbacks of legacy code wait for: KIND of callback."""

import contextvars
import functools
import io
import itertools
import os
import sys
import tempfile
import threading
from collections.abc import Callable

import stage

module = stage.load("callbacks")
TIMES = {"input hook": 40_000, "shared dict": 100_000, "type watcher": 10_000}
DEFAULT_TIMES = 40_000
# Two dicts for all threads: CPython lets one of them change a dict at a time.
shared: list[dict[object, int]] = [{}, {}]
turns = itertools.cycle(shared)
chosen = itertools.cycle([True, False])


class Mortal:
    """Something to refer to weakly."""


def audit() -> Callable[[], object]:
    return lambda: sys.audit("fixture.watched", 1)


def function_made() -> Callable[[], object]:
    def make() -> None:
        def watched() -> None:
            pass

    return make


def code_made() -> Callable[[], object]:
    code = (lambda: None).__code__
    return lambda: code.replace(co_filename="watched")


def context_entered() -> Callable[[], object]:
    own = contextvars.Context()
    own.run(module.mark_context)
    return lambda: own.run(int)


def own_dict() -> Callable[[], object]:
    own: dict[int, int] = {}
    module.watch_dict(own)
    values = itertools.count()  # a value that is there already is no change
    return lambda: own.__setitem__(1, next(values))


def shared_dict() -> Callable[[], object]:
    changing = next(turns)
    keys = itertools.count()  # the same as those of the other thread on this dict
    return lambda: changing.__setitem__(next(keys), object())


def type_changed() -> Callable[[], object]:
    """CPython lets one thread at a time change a type, so half of them does something else."""

    def change() -> None:
        class Changing:  # CPython watches the first changes of a class only
            value = 0

        module.watch_type(Changing)
        Changing.value
        Changing.value = 1

    return change if next(chosen) else audit()


def died(refer: Callable[[object], object]) -> Callable[[], object]:
    def die() -> None:
        mortal = Mortal()
        reference = refer(mortal)
        del mortal
        del reference

    return die


def code_opened() -> Callable[[], object]:
    return lambda: io.open_code("watched")


def read_line() -> Callable[[], object]:
    """One thread at a time reads lines, so half of them does something else."""
    return module.read_line if next(chosen) else audit()


def frame_evaluated() -> Callable[[], object]:
    def evaluated() -> None:
        pass

    module.evaluate_frames()
    return evaluated


def run_frames_side_by_side() -> None:
    """Hangs if the frame that turns round keeps the other one out."""
    turns_round = threading.Event()
    said: list[None] = []

    def turn_round() -> None:
        turns_round.set()
        while not said:
            pass

    def say() -> None:
        turns_round.wait()
        said.append(None)

    module.evaluate_frames()
    stage.together(turn_round, say)
    module.stop_evaluating_frames()


KINDS = {
    "frame evaluator": frame_evaluated,
    "audit hook": audit,
    "function watcher": function_made,
    "code watcher": code_made,
    "context watcher": context_entered,
    "own dict": own_dict,
    "shared dict": shared_dict,
    "type watcher": type_changed,
    "weak reference": lambda: died(module.reference_to),
    "weak proxy": lambda: died(module.proxy_of),
    "input hook": read_line,
    "open code hook": code_opened,
}


def prepare() -> None:
    """What is to be done once in the process, before the first callback."""
    module.add_audit_hook()
    module.watch_functions()
    module.watch_code()
    if sys.version_info >= (3, 14):
        module.watch_contexts()
    for changing in shared:
        module.watch_dict(changing)
    module.watch_opening()
    lines = tempfile.TemporaryFile()
    lines.write(b"\n" * 200_000)
    lines.seek(0)
    os.dup2(lines.fileno(), 0)


kind = sys.argv[1]
times = TIMES.get(kind, DEFAULT_TIMES)
prepare()
if kind == "frame evaluator":
    run_frames_side_by_side()
KINDS[kind]()()  # caches and specialisation settle
module.reset()
for changing in shared:
    changing.clear()
# Made here: two threads may be given the same item of one iterator.
actions = [KINDS[kind]() for _ in range(stage.THREADS)]
stage.together(*[functools.partial(stage.repeat, action, times) for action in actions])
module.stop_evaluating_frames()
lost = stage.THREADS * times - module.count()
wrong = abs(lost) + module.overlaps()
if kind == "shared dict":
    wrong += sum(list(changing) != list(range(times)) for changing in shared)
stage.report(wrong, lost=lost, overlaps=module.overlaps())
