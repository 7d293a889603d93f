"""Counts on the static of an extension from several threads: MODULE EXPRESSION TIMES.

The expression gives the function to call; the module has count() and overlaps().
"""

import sys

import stage

name, expression, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
module = stage.load(name)
function = eval(expression, {name: module})
stage.together(*[lambda: stage.repeat(function, times)] * stage.THREADS)
expected = stage.THREADS * times
stage.report(
    abs(expected - module.count()) + module.overlaps(),
    count=module.count(),
    overlaps=module.overlaps(),
)
