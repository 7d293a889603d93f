"""Has calls of an unguarded module overlap in a known way; reports what was recorded."""

import gc
import os
import signal
import sys
import threading

import pythonnogil
import stage

ROUNDS = 20

gc.disable()
module = stage.load("overlapper")
thing, other = module.Thing(), module.Thing()


def meet(left, right) -> None:
    """Both are inside at once in each round, and neither begins one before both have ended."""
    barrier = threading.Barrier(2)

    def rounds(function) -> bool:
        met = True
        for number in range(1, ROUNDS + 1):
            barrier.wait()
            met = function(number) and met
        return met

    assert stage.together(lambda: rounds(left), lambda: rounds(right)) == [True, True]


def take_turns() -> None:
    """Never two at once."""
    lock = threading.Lock()

    def touch() -> None:
        for _ in range(1000):
            with lock:
                module.touch()

    stage.together(touch, touch)


def while_away(linger_away: float, visit) -> None:
    """One call begins while the other one is detached."""
    read_end, write_end = os.pipe()

    def come() -> None:
        os.read(read_end, 1)
        visit()

    stage.together(lambda: module.stay_away(write_end, linger_away), come)


def nested() -> None:
    """The outer call overlaps too: what it calls back to meets the other thread."""
    barrier = threading.Barrier(2)

    def outer() -> None:
        barrier.wait()
        module.left(1)

    def meet() -> None:
        barrier.wait()
        module.right(1)

    stage.together(lambda: module.call(outer), meet)


def in_fork() -> None:
    """The child forgets the calls that its parent's other threads are inside of."""
    done = False
    inside = threading.Event()

    def compute() -> None:
        inside.set()
        while not done:
            pass

    thread = threading.Thread(target=module.call, args=(compute,))
    thread.start()
    inside.wait()
    codes = []
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            signal.alarm(10)
            # Its thread state may take the place of the one that is gone.
            stage.together(module.touch, lambda: None)
            os._exit(len(pythonnogil.overlaps()))
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    done = True
    thread.join()
    assert not any(codes), codes


match sys.argv[1]:
    case "functions":
        meet(module.left, module.right)
    case "one function":
        meet(module.left, module.left)
    case "same object":
        meet(thing.left, thing.right)
    case "different objects":
        meet(thing.left, other.right)
    case "turns":
        take_turns()
    case "away":
        while_away(0, module.call_back)
    case "visitor ends first":
        while_away(0.3, lambda: module.visit(0))
    case "visitor ends last":
        while_away(0, lambda: module.visit(0.3))
    case "nested":
        nested()
    case "fork":
        in_fork()

overlaps = pythonnogil.overlaps()
stage.report(
    pythonnogil.stats()["overlaps"] != overlaps,
    overlaps=overlaps,
    modules=pythonnogil.modules(),
)
