"""Stays in legacy code for as long as it is told, for a profiler that looks on: SECONDS."""

import sys

import stage


def innermost_python_function() -> None:
    module.spin(float(sys.argv[1]))


module = stage.load("ends_abruptly")
innermost_python_function()
stage.report(module.overlaps())
