"""Calls into legacy code once, for a debugger that waits there."""

import stage


def innermost_python_function() -> None:
    module.increment()


module = stage.load("static_counter")
innermost_python_function()
stage.report(module.count() - 1)
