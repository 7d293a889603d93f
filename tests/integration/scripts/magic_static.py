"""Holds locks of the C++ runtime across writes to a dict, while other threads contend for the dict: statics|locked; or
locks a robust mutex whose owner has ended: inherited."""

import sys

import stage

ROUNDS = {"statics": 1, "locked": 100}
module = stage.load("magic_static")
shared = {number: number for number in range(5000)}


def keep_busy() -> None:
    for _ in range(600):
        shared.copy()


def enter() -> None:
    for _ in range(ROUNDS[sys.argv[1]]):
        getattr(module, sys.argv[1])((shared,))


if sys.argv[1] == "inherited":
    said = module.inherited()
    stage.report(int(said != (True, 0)), said=said)
    sys.exit()
stage.together(*[enter] * stage.THREADS, *[keep_busy] * 2)
stage.report(0)
