"""Has legacy code call back by the variadic functions of the C API, in all their forms, and tells
what came of each."""

import re
import sys
from pathlib import Path

import stage

module = stage.load("variadic_calls")
SOURCE = Path(__file__).parents[2] / "fixtures" / "extensions" / "variadic_calls.c"
FORMS = re.findall(r'FORM\("([^"]+)"', SOURCE.read_text())


class Target:
    """Is called, or has a method that is."""

    number = 1

    def __call__(self, *arguments: object) -> object:
        return "called", arguments

    def method(self, *arguments: object) -> object:
        return "method", arguments


def outcome(form: str, item: object) -> str:
    try:
        return repr(module.call(form, Target(), item))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


items = ["text", ("a", "pair"), (), None]
before = [sys.getrefcount(item) for item in items]
outcomes = {form: [outcome(form, item) for item in items] for form in FORMS}
assert [sys.getrefcount(item) for item in items] == before
stage.report(0, description=outcomes)
