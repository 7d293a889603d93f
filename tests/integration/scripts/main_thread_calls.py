"""Has the main thread run calls of other threads, while it does one thing or another: KIND."""

import asyncio
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable

import stage

user = stage.load("main_thread_user")
MAIN = threading.get_ident()
CALLS = 50
LONG = 20.0  # far longer than the calls take; whoever waits for it has not been served


class Caller(threading.Thread):
    """Makes calls that have to run on the main thread; `wrong` counts those that did not."""

    def __init__(self, calls: int = CALLS, at_end: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.calls = calls
        self.at_end = at_end
        self.wrong = 0

    def run(self) -> None:
        for number in range(self.calls):
            self.wrong += user.call(self.answer, number) != (number, MAIN)
        self.at_end()

    @staticmethod
    def answer(number: int) -> tuple[int, int]:
        """Say who runs this."""
        return number, threading.get_ident()


def while_main(wait: Callable[[], object], at_end: Callable[[], object] = lambda: None) -> int:
    """A caller makes its calls while the main thread runs *wait*, which *at_end* ends."""
    user.configure()
    time.sleep(0.01)
    start = time.monotonic()
    caller = Caller(at_end=at_end)
    caller.start()
    wait()
    elapsed = time.monotonic() - start
    served = not caller.is_alive()
    caller.join()
    return caller.wrong + (not served) + (elapsed > LONG / 2)


class Over(Exception):
    """Ends a system call of the main thread by a signal, when the calls have been made."""


def until_over(wait: Callable[[], object]) -> int:
    """As `while_main`, for a *wait* that nothing but a signal brings to an end."""
    is_over = threading.Event()

    def interrupted() -> None:
        try:
            wait()
        except Over:
            time.sleep(0.05)  # the thread that sent the signal has nothing else to do

    def interrupt() -> None:
        # A signal that comes just before a system call does not interrupt it.
        while not is_over.wait(0.02):
            signal.pthread_kill(MAIN, signal.SIGUSR1)

    def over(*_: object) -> None:
        if not is_over.is_set():
            is_over.set()
            raise Over

    signal.signal(signal.SIGUSR1, over)
    return while_main(interrupted, interrupt)


def computes() -> int:
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            sum(range(100))
        time.sleep(0.05)

    return while_main(compute, done.set)


def joins() -> int:
    user.configure()
    callers = [Caller(200) for _ in range(stage.THREADS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return sum(caller.wrong for caller in callers)


def waits_for_a_lock() -> int:
    lock = threading.Lock()
    lock.acquire()
    return while_main(lambda: lock.acquire() and time.sleep(0.05), lock.release)


def waits_for_an_event() -> int:
    event = threading.Event()
    return while_main(lambda: event.wait(LONG) and time.sleep(0.05), event.set)


def waits_for_a_queue() -> int:
    items: queue.SimpleQueue[None] = queue.SimpleQueue()
    return while_main(lambda: (items.get(), time.sleep(0.05)), lambda: items.put(None))


def sleeps() -> int:
    return until_over(lambda: time.sleep(LONG))


def selects() -> int:
    reader, writer = socket.socketpair()
    with reader, writer:
        return while_main(
            lambda: (select.select([reader], [], [], LONG), time.sleep(0.05)),
            lambda: writer.send(b"x"),
        )


def receives() -> int:
    reader, writer = socket.socketpair()
    with reader, writer:
        return while_main(lambda: (reader.recv(1), time.sleep(0.05)), lambda: writer.send(b"x"))


def runs_an_event_loop() -> int:
    async def wait() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        caller = Caller(at_end=lambda: loop.call_soon_threadsafe(done.set))
        caller.start()
        await asyncio.wait_for(done.wait(), LONG)
        caller.join()
        wrong.append(caller.wrong)

    wrong: list[int] = []
    user.configure()
    asyncio.run(wait())
    return sum(wrong)


def is_not_known_yet() -> int:
    """The first to ask is another thread, while the main thread waits for a lock."""
    caller = threading.Thread(target=lambda: (user.configure(), results.append(ask())))

    def ask() -> object:
        return user.call(Caller.answer, 1)

    results: list[object] = []
    caller.start()
    caller.join()
    return results != [(1, MAIN)]


def passes_values() -> int:
    user.configure()
    found = stage.together(user.six_arguments, user.what_is_thrown)
    found += [user.six_arguments(), user.what_is_thrown()]
    return found != [654321, "thrown on the main thread"] * 2


def passes_exceptions() -> int:
    """The caller gets the exception, with its cause and traceback; the main thread does not."""
    user.configure()

    def fail(value: object) -> None:
        raise ValueError(value) from KeyError("cause")

    def ask() -> int:
        try:
            user.call(fail, 7)
        except ValueError as error:
            names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            found = (error.args, type(error.__cause__), names[-1])
            return int(found != ((7,), KeyError, "fail"))
        return 1

    return sum(stage.together(*[lambda: sum(ask() for _ in range(20))] * stage.THREADS))


def nests() -> int:
    """A call on the main thread waits for a thread that makes a call, too."""
    user.configure()

    def wait_for_another(depth: int) -> int:
        if depth == 0:
            return threading.get_ident() != MAIN
        (wrong,) = stage.together(lambda: user.call(wait_for_another, depth - 1))
        return wrong + (threading.get_ident() != MAIN)

    return sum(stage.together(lambda: user.call(wait_for_another, 5))) + wait_for_another(3)


def is_busy_in_native_code() -> int:
    """The caller gets an error in time, and the call never runs."""
    user.configure()
    user.set_limit(200)
    ran: list[object] = []
    errors: list[str] = []

    def ask() -> float:
        time.sleep(0.3)  # until the main thread is where it does not look
        start = time.monotonic()
        try:
            user.call(ran.append, 1)
        except RuntimeError as error:
            errors.append(str(error))
        return time.monotonic() - start

    times: list[float] = []
    threads = [threading.Thread(target=lambda: times.append(ask())) for _ in range(3)]
    for thread in threads:
        thread.start()
    user.sleep_in_native_code(2000)
    for thread in threads:
        thread.join()
    time.sleep(0.05)
    clear = "a call that must run on the main thread was not served for 200 ms"
    wrong = sum(clear not in error for error in errors) + len(ran) + (len(errors) != 3)
    wrong += sum(not 0.15 < seconds < 1.5 for seconds in times)
    # Afterwards all is well again.
    stage.together(lambda: user.call(ran.append, 2))
    return wrong + (ran != [2])


def serves_something_long() -> int:
    """Who waits behind a call that takes longer than the limit is served if it ends a few calls."""
    user.configure()
    user.set_limit(400)

    def wait(seconds: float) -> float:
        user.sleep_in_native_code(int(seconds * 1000))
        return seconds

    found = stage.together(*[lambda: user.call(wait, 0.25)] * 6)
    return found != [0.25] * 6


def has_a_handler_of_its_own() -> int:
    """The application's handler is called as before, and calls are served."""
    seen: list[int] = []
    signal.signal(signal.SIGURG, lambda number, frame: seen.append(number))
    wrong = joins()
    before = len(seen)
    signal.raise_signal(signal.SIGURG)
    wrong += len(seen) != before + 1
    # A handler that replaces ours: who waits in Python code still serves.
    signal.signal(signal.SIGURG, lambda number, frame: seen.append(number))
    return wrong + joins() + (len(seen) < before + 1)


def is_interrupted() -> int:
    """Ctrl-C during a call is for the main thread, too."""
    user.configure()
    interrupts: list[str] = []

    def ask() -> None:
        time.sleep(0.3)  # until the main thread is where it expects to be interrupted
        try:
            user.call(signal.raise_signal, signal.SIGINT)
        except KeyboardInterrupt:
            interrupts.append("caller")

    thread = threading.Thread(target=ask)
    try:
        thread.start()
        for _ in range(200):
            time.sleep(0.01)
    except KeyboardInterrupt:
        interrupts.append("main")
    thread.join()
    return sorted(interrupts) != ["caller", "main"]


def forks() -> int:
    """In the child of a fork, the thread that forked is the main thread."""
    user.configure()

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            here = threading.get_ident()
            (found,) = stage.together(lambda: user.call(Caller.answer, 3))
            os._exit(found != (3, here) or user.call(Caller.answer, 4) != (4, here))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    callers = [Caller(300) for _ in range(2)]
    for caller in callers:
        caller.start()
    wrong = sum(fork() for _ in range(10))
    wrong += sum(stage.together(fork, fork))
    for caller in callers:
        caller.join()
    return wrong + sum(caller.wrong for caller in callers)


def ends() -> int:
    """The main thread is at its end: threads that are waited for are served; daemons do no harm."""
    user.configure()

    def ask_for_ever() -> None:
        while True:
            user.call(Caller.answer, 1)

    def say() -> None:
        print('{"wrong": %d}' % caller.wrong, flush=True)

    for _ in range(3):
        threading.Thread(target=ask_for_ever, daemon=True).start()
    caller = Caller(200, say)
    caller.start()
    sys.exit()


stage.report(int(globals()[sys.argv[1]]()))
