"""Counts calls of Python functions by a C callback in several threads: profile|trace HOW.

HOW is `each`, where each thread installs the callback for itself, or `all`.
"""

import sys
import threading

import stage

TIMES = 200_000
kind, how = sys.argv[1:]
module = stage.load("profile_hook")
# All threads, and the main one that installs the callback for all, while they wait.
ready = threading.Barrier(stage.THREADS + 1)


def function() -> None:
    pass


def run_under_hook() -> None:
    switch = getattr(module, kind)
    switch(True)
    for _ in range(TIMES):
        function()
    switch(False)


def run_between() -> None:
    ready.wait()
    ready.wait()
    for _ in range(TIMES):
        function()
    ready.wait()
    ready.wait()


def run_under_hook_of_all() -> None:
    switch = getattr(module, f"{kind}_all")
    threads = [threading.Thread(target=run_between) for _ in range(stage.THREADS)]
    for thread in threads:
        thread.start()
    for on in (True, False):
        ready.wait()
        switch(on)
        ready.wait()
    for thread in threads:
        thread.join()


if how == "all":
    run_under_hook_of_all()
else:
    stage.together(*[run_under_hook] * stage.THREADS)
counts = module.counts()
lost = stage.THREADS * TIMES - counts[kind]
stage.report(abs(lost) + counts["overlaps"], lost=lost, overlaps=counts["overlaps"])
