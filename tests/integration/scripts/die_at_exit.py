"""Ends with much left to do under the guard, while daemon threads wait for it: callbacks at
exit, legacy objects that are still alive, memory that is held back. The process has to end all
the same."""

import atexit
import threading
import time

import stage

module = stage.load("ends_abruptly")
thing_type = stage.load("every_interpreter").Thing


class Subclass(thing_type):
    pass


def keep_staying() -> None:
    while True:
        module.stay(0.003)


def make() -> None:
    made_elsewhere.extend(Subclass() for _ in range(100))
    alive.extend(Subclass() for _ in range(100))


made_elsewhere: list[object] = []
alive: list[object] = [thing_type() for _ in range(100)]
maker = threading.Thread(target=make)
maker.start()
maker.join()
made_elsewhere.clear()
atexit.register(module.increment)
for _ in range(3):
    threading.Thread(target=keep_staying, daemon=True).start()
time.sleep(0.1)
stage.report(module.overlaps())
