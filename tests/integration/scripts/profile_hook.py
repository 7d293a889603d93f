"""Counts calls of Python functions by a C callback in several threads: profile|trace."""

import sys

import stage

TIMES = 200_000
kind = sys.argv[1]
module = stage.load("profile_hook")
switch = getattr(module, kind)


def function() -> None:
    pass


def run_under_hook() -> None:
    switch(True)
    for _ in range(TIMES):
        function()
    switch(False)


stage.together(*[run_under_hook] * stage.THREADS)
counts = module.counts()
lost = stage.THREADS * TIMES - counts[kind]
stage.report(abs(lost) + counts["overlaps"], lost=lost, overlaps=counts["overlaps"])
