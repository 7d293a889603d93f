"""Describes a module so fully that a guarded import can be compared with a plain one: MODULE."""

import importlib
import inspect
import json
import pickle
import pydoc
import re
import sys
import types
import warnings

import stage

# Loaded by now, so that what the import itself brings in can be told.
assert all((importlib, json, re, warnings))


def attempt(function: object, *arguments: object) -> str:
    """What a call returns or raises, as text without addresses."""
    try:
        result = function(*arguments)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    return re.sub(r"0x[0-9a-f]+", "0x", str(result))


def round_trip(thing: object) -> bool:
    return pickle.loads(pickle.dumps(thing)) is thing


def describe_callable(thing: object) -> dict[str, object]:
    return {
        "type": str(type(thing)),
        "repr": attempt(repr, thing),
        "doc": attempt(getattr, thing, "__doc__"),
        "name": attempt(getattr, thing, "__name__"),
        "qualname": attempt(getattr, thing, "__qualname__"),
        "module": attempt(getattr, thing, "__module__"),
        "self": attempt(lambda: type(thing.__self__)),
        "text_signature": attempt(getattr, thing, "__text_signature__"),
        "signature": attempt(inspect.signature, thing),
        "pickle": attempt(pickle.dumps, thing),
        "round_trip": attempt(round_trip, thing),
        "is_builtin": inspect.isbuiltin(thing),
        "is_routine": inspect.isroutine(thing),
        "isinstance": isinstance(thing, types.BuiltinFunctionType),
        "hash": attempt(lambda: hash(thing) == hash(thing)),
        "equal": thing == thing,
        "dir": dir(thing),
    }


def describe_type(cls: type) -> dict[str, object]:
    members = {name: describe_callable(member) for name, member in sorted(vars(cls).items())}
    instance = attempt(lambda: type(cls()) is cls and isinstance(cls(), cls))
    return {
        **describe_callable(cls),
        "bases": attempt(lambda: cls.__mro__),
        "size": cls.__basicsize__,
        "dictoffset": cls.__dictoffset__,
        "weakrefoffset": cls.__weakrefoffset__,
        "members": members,
        "instance": instance,
        "instance_pickle": attempt(lambda: pickle.dumps(cls())),
    }


name = sys.argv[1]
before = set(sys.modules)
module = stage.load(name)
arrived = sorted(
    other for other in set(sys.modules) - before if other.partition(".")[0] != "pythonnogil"
)
spec = module.__spec__
description = {
    "type": str(type(module)),
    "repr": repr(module),
    "dir": dir(module),
    "doc": module.__doc__,
    "name": module.__name__,
    "package": module.__package__,
    "file": module.__file__,
    "loader": [str(type(module.__loader__)), module.__loader__.name, module.__loader__.path],
    "spec": [spec.name, spec.origin, spec.cached, spec.has_location, spec.parent, str(type(spec))],
    "spec_loader": spec.loader is module.__loader__,
    "in_sys_modules": sys.modules[name] is module,
    "arrived": arrived,
    "again": importlib.import_module(name) is module,
    "help": attempt(pydoc.plain, pydoc.render_doc(module)),
    "pickle": attempt(pickle.dumps, module),
    "contents": {
        key: describe_type(value) if isinstance(value, type) else describe_callable(value)
        for key, value in sorted(vars(module).items())
        if not key.startswith("__")
    },
}
stage.report(0, description=description)
