"""Imports a module that fails, twice, then a good one: MODULE. The failure is reported."""

import sys

import stage

name = sys.argv[1]
errors = []
causes = []
for _ in range(2):
    try:
        __import__(name)
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
        causes.append([cls.__name__ for cls in type(error).__mro__])
    stage.check_gil()
left_behind = name in sys.modules

TIMES = 30_000
declared = stage.load("declared")
stage.together(*[lambda: stage.repeat(declared.increment, TIMES)] * stage.THREADS)
stage.report(
    abs(stage.THREADS * TIMES - declared.count()),
    errors=errors,
    classes=causes[0] if causes else [],
    left_behind=left_behind,
)
