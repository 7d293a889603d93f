"""Waits for the guard for a known time in a known place, for the watchdog to see."""

import os
import signal
import sys
import threading
import time

import stage

HOLD = 0.6

a = stage.load("opposite_a")
b = stage.load("opposite_b")


def wait_behind(read_end: int) -> None:
    """Enters when another thread says that it is inside."""
    os.read(read_end, 1)
    a.touch()


def long_hold(seconds: float = HOLD) -> None:
    read_end, write_end = os.pipe()
    stage.together(lambda: a.hold(write_end, seconds), lambda: wait_behind(read_end))


def many_wait() -> None:
    """Several wait for one."""
    read_end, write_end = os.pipe()

    def wait() -> None:
        inside.wait()
        a.touch()

    def tell() -> None:
        os.read(read_end, 1)
        inside.set()
        a.touch()

    inside = threading.Event()
    stage.together(lambda: a.hold(write_end, HOLD), tell, wait, wait)


def deadlock_on_entry() -> None:
    """The one has the guard and wants the lock; the other has the lock and wants the guard."""
    address = a.lock_address()
    b.take(address)
    read_end, write_end = os.pipe()

    def enter() -> None:
        os.read(read_end, 1)
        b.give(address)

    assert stage.together(lambda: a.lock_inside(write_end, HOLD), enter)[0] is False


def deadlock_on_resume() -> None:
    """The same, but the other one comes back into a call that it is in."""
    address = a.lock_address()
    taken_read, taken = os.pipe()
    go_on, inside = os.pipe()

    def lock_inside() -> bool:
        os.read(taken_read, 1)
        return a.lock_inside(inside, HOLD)

    def lock_outside() -> bool:
        return b.lock_outside(address, taken, go_on)

    assert stage.together(lock_inside, lock_outside) == [False, True]


def short_waits(where: str) -> None:
    """Many waits in the same place, none of them long."""
    region = stage.load("blocking_region")
    caller = stage.load("blocking_callback")
    span = stage.Span(2.0)

    def hold_often() -> None:
        while span:
            region.sleep_attached(10_000)

    def sleep_often() -> None:
        while span:
            time.sleep(1e-5)

    waits = {"on entry": hold_often, "on resume": lambda: caller.call(sleep_often)}[where]
    stage.together(waits, hold_often, hold_often)


def in_fork() -> None:
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        long_hold(3 * HOLD)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def show_state() -> None:
    """Asks for it while one is inside and one waits."""
    read_end, write_end = os.pipe()

    def ask() -> None:
        time.sleep(HOLD / 2)
        os.kill(os.getpid(), signal.SIGUSR2)

    stage.together(lambda: a.hold(write_end, HOLD), lambda: wait_behind(read_end), ask)


def files_closed() -> None:
    """The program closes files that it does not know, and opens others in their place."""
    for number in range(3, 64):
        try:
            os.close(number)
        except OSError:
            pass
    folder = sys.argv[2]
    names = [f"{folder}/{number}" for number in range(40)]
    files = [os.open(name, os.O_CREAT | os.O_RDWR) for name in names]
    long_hold()
    for file in files:
        os.close(file)
    assert all(os.path.getsize(name) == 0 for name in names)


def stderr_full() -> None:
    """Nobody reads what is printed, and there is no room for more."""
    _, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    os.dup2(write_end, 2)
    for _ in range(2):
        long_hold()


def at_exit() -> None:
    """A daemon thread is inside when the process ends, and another one waits."""
    read_end, write_end = os.pipe()
    threading.Thread(target=a.hold, args=(write_end, HOLD), daemon=True).start()
    threading.Thread(target=wait_behind, args=(read_end,), daemon=True).start()
    time.sleep(HOLD / 2)


match sys.argv[1]:
    case "long hold":
        long_hold()
    case "stderr closed":
        os.close(2)
        long_hold()
    case "stderr full":
        stderr_full()
    case "deadlock on entry":
        deadlock_on_entry()
    case "deadlock on resume":
        deadlock_on_resume()
    case "short waits":
        short_waits(sys.argv[2])
    case "many wait":
        many_wait()
    case "fork":
        in_fork()
    case "state":
        show_state()
    case "files closed":
        files_closed()
    case "exit":
        at_exit()

stage.report(0)
