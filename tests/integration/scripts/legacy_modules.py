"""Imports fixtures in turn and tells what the guard makes of each: MODULE..."""

import sys

import stage

for name in sys.argv[1:]:
    stage.load(name)

from pythonnogil import _core  # noqa: E402  the hook has loaded it for the first module

verdicts = {info["name"]: info for info in _core.modules() if info["name"] in sys.argv[1:]}
stage.report(0, verdicts=verdicts)
