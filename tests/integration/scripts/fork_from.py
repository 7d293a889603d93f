"""Forks in a state that the child has to get out of: callback|held_back|importing."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import stage

FORKS = 10
CALLS = 1000
module = stage.load("ends_abruptly")


def call_often() -> None:
    for _ in range(CALLS):
        module.increment()


def run_child(work: Callable[[], object]) -> int:
    """Fork; the child does *work* and calls legacy code by itself. 1 if that fails or hangs."""
    number = os.fork()
    if number == 0:
        # The watchdog thread of the parent is not in the child.
        signal.alarm(10)
        try:
            work()
            call_often()
            stage.together(call_often, call_often)
            stage.check_gil()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return int(os.waitpid(number, 0)[1] != 0)


def from_a_callback() -> int:
    """The forking thread is inside the guard, and goes on there, in the parent and in the child."""
    end = threading.Event()

    def keep_calling() -> None:
        while not end.is_set():
            module.increment()

    def fork() -> int:
        failed = 0
        for _ in range(FORKS):
            before = os.getpid()
            failed += module.call(lambda: run_child(call_often)) or 0
            assert os.getpid() == before
        end.set()
        return failed

    return stage.together(fork, keep_calling, keep_calling)[0]


def leave_the_child_to_return() -> int:
    """The child's own way out of the guarded call that the fork was made in."""

    def fork() -> int:
        number = os.fork()
        signal.alarm(10 if number == 0 else 0)
        return number

    failed = 0
    for _ in range(FORKS):
        number = module.call(fork)
        if number == 0:
            call_often()
            os._exit(0)
        failed += os.waitpid(number, 0)[1] != 0
    return failed


def with_memory_held_back() -> int:
    things: list[object] = []
    thing_type = stage.load("every_interpreter").Thing

    def drop() -> None:
        maker = threading.Thread(target=lambda: things.extend(thing_type() for _ in range(700)))
        maker.start()
        maker.join()
        things.clear()

    drop()
    return sum(run_child(drop) for _ in range(FORKS))


def during_an_import() -> int:
    """Another thread is inside the dynamic linker, where a constructor has detached."""
    importer = threading.Thread(target=lambda: stage.load("static_init"))
    importer.start()
    time.sleep(0.05)
    assert "static_init" in sys.modules or importer.is_alive()
    failed = run_child(lambda: stage.load("undeclared_multi").increment())
    importer.join()
    return failed


kinds = {
    "callback": lambda: from_a_callback() + leave_the_child_to_return(),
    "held_back": with_memory_held_back,
    "importing": during_an_import,
}
stage.report(kinds[sys.argv[1]](), overlaps=module.overlaps())
