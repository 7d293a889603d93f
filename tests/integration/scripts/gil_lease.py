"""Turns the GIL on and off by the lease of the shim, in one of several ways: KIND."""

import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import stage
from pythonnogil import _startup

user = stage.load("lease_user")
user.configure(_startup.original_create_dynamic)
WAIT = 5.0


def wait_until_off() -> bool:
    """Whether the lease ends within reasonable time."""
    end = time.monotonic() + WAIT
    while sys._is_gil_enabled():
        if time.monotonic() > end:
            return False
        time.sleep(0.0002)
    return True


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """Have the lease pinned."""
    user.pin()
    try:
        yield
    finally:
        user.unpin()


@contextlib.contextmanager
def busy(function: Callable[[], object], count: int = 2) -> Iterator[None]:
    """Have threads call *function* over and over."""
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            for _ in range(50):
                function()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def on_and_off() -> int:
    """The GIL is on while pinned, nested or not; after that it and the switch interval are back."""
    wrong = 0
    interval = sys.getswitchinterval()
    os.chdir("/")
    for _ in range(20):
        with pinned():
            wrong += not sys._is_gil_enabled()
            with pinned():
                time.sleep(0.001)
                wrong += not sys._is_gil_enabled()
            time.sleep(0.02)
            wrong += not sys._is_gil_enabled()
        wrong += not wait_until_off()
        time.sleep(0.001)
        wrong += sys.getswitchinterval() != interval
    return wrong + (user.leases() != 20)


def others_stand_still(watch: Callable[[int], int] = user.watch_held) -> int:
    """How often other threads ran while legacy code would have."""
    with busy(user.tick):
        time.sleep(0.01)
        seen = sum(watch(10) for _ in range(20))
    return seen + (not wait_until_off())


def others_run() -> int:
    """The control: the same without a lease."""
    return others_stand_still(user.watch_unheld)


def from_several_threads() -> int:
    """Threads that pin at the same time, again and again, and find the GIL on each time."""

    def run() -> int:
        wrong = 0
        for number in range(150):
            with pinned():
                wrong += not sys._is_gil_enabled()
            if number % 10 == 0:
                time.sleep(0.001)
        return wrong

    wrong = sum(stage.together(*[run] * stage.THREADS))
    return wrong + (not wait_until_off())


def memory() -> int:
    """The pages of this process that are in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1])


def a_thousand_leases() -> int:
    """Nothing is left of a lease: no module, no thread, no memory."""

    def cycle() -> int:
        with pinned():
            pass
        return not wait_until_off()

    memory()  # imports a codec the first time
    wrong = sum(cycle() for _ in range(200))
    modules, threads = set(sys.modules), os.listdir("/proc/self/task")
    pages, blocks = memory(), sys.getallocatedblocks()
    wrong += sum(cycle() for _ in range(1000))
    wrong += sys.getallocatedblocks() - blocks > 200
    # A sanitizer keeps memory back for a while.
    sanitized = not {"ASAN_OPTIONS", "TSAN_OPTIONS"}.isdisjoint(os.environ)
    wrong += not sanitized and memory() - pages > 50
    wrong += set(sys.modules) != modules
    wrong += os.listdir("/proc/self/task") != threads
    return wrong + (user.leases() != 1200)


def imports_meanwhile() -> int:
    """Extensions of all kinds are imported while the lease is on, and while it comes and goes."""
    names = ["static_counter", "undeclared_multi", "explicit_used", "declared", "declared_single"]

    def import_all() -> None:
        for name in names:
            importlib.import_module(name)

    def reload_all() -> None:
        for name in ("undeclared_multi", "declared", "_json", "_struct"):
            sys.modules.pop(name, None)
            importlib.import_module(name)

    wrong = 0
    with pinned():
        stage.together(import_all, import_all)
        wrong += not sys._is_gil_enabled()
    wrong += not wait_until_off()
    with busy(reload_all, 1):
        for _ in range(50):
            with pinned():
                wrong += not sys._is_gil_enabled()
            time.sleep(0.002)
    return wrong + (not wait_until_off())


def child(expected: bool) -> int:
    """What the child of a fork finds: the GIL as *expected*, and leases that work."""
    wrong = int(sys._is_gil_enabled() != expected)
    with pinned():
        wrong += not sys._is_gil_enabled()
    if not expected:
        wrong += not wait_until_off()
    return wrong


def fork(expected: bool) -> int:
    """Fork; what the child found wrong."""
    pid = os.fork()
    if pid == 0:
        os._exit(child(expected))
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def forks() -> int:
    """Forks before any lease, right after one, in one, and while other threads take them."""
    wrong = fork(False)
    for _ in range(10):
        with pinned():
            pass
        wrong += fork(False)
    with pinned():
        wrong += fork(True)
    wrong += not wait_until_off()

    def pin_often() -> None:
        with pinned():
            pass
        time.sleep(0.0005)

    with busy(pin_often):
        for _ in range(15):
            pid = os.fork()
            if pid == 0:
                with pinned():
                    os._exit(not sys._is_gil_enabled())
            wrong += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return wrong + (not wait_until_off())


def exit_while_pinned() -> int:
    """Leave threads behind that pin for ever; the process has to end all the same."""

    def pin_for_ever() -> None:
        while True:
            with pinned():
                time.sleep(0.0001)

    for _ in range(3):
        threading.Thread(target=pin_for_ever, daemon=True).start()
    time.sleep(0.05)
    print('{"wrong": 0}', flush=True)
    sys.exit()


stage.report(int(globals()[sys.argv[1]]()))
