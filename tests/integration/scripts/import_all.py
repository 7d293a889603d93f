"""Imports each extension named on stdin (a JSON list of names and paths); prints what became of it.

The answer maps paths to the reason of the core's verdict ("declared" for a declared module), or to
the text of the error. What the modules print goes to stderr.
"""

import importlib.util
import json
import os
import sys

import pythonnogil

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

failures = {}
for name, path in json.load(sys.stdin):
    spec = importlib.util.spec_from_file_location(name, path)
    try:
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(name, module)
        spec.loader.exec_module(module)
    except Exception as error:
        failures[path] = f"{type(error).__name__}: {error}"
    if sys._is_gil_enabled():
        raise AssertionError(f"the GIL came on with {name}")

answer = {
    record["path"]: record["reason"] or record["verdict"] for record in pythonnogil.modules()
}
json.dump(failures | answer, answers)
answers.close()
os._exit(0)  # the ends of the modules are not what is tested
