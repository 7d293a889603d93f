"""Loads the legacy modules in one of the ways there are, then counts from several threads: WAY."""

import importlib
import importlib.machinery
import importlib.util
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import stage

NAMES = ("static_counter", "undeclared_multi")
TIMES = 60_000


def path_of(name: str) -> str:
    return str(Path(stage.FIXTURES) / (name + sysconfig.get_config_var("EXT_SUFFIX")))


def by_statement(name: str) -> ModuleType:
    exec(f"import {name}")
    return sys.modules[name]


def by_dunder_import(name: str) -> ModuleType:
    return __import__(name)


def by_spec(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path_of(name))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_loader(name: str) -> ModuleType:
    loader = importlib.machinery.ExtensionFileLoader(name, path_of(name))
    spec = importlib.machinery.ModuleSpec(name, loader, origin=path_of(name))
    module = loader.create_module(spec)
    loader.exec_module(module)
    return module


def by_load_module(name: str) -> ModuleType:
    return importlib.machinery.ExtensionFileLoader(name, path_of(name)).load_module(name)


def by_finder(name: str) -> ModuleType:
    """As editable installs do: another finder knows where the file is."""

    class Finder:
        @staticmethod
        def find_spec(wanted: str, path: object = None, target: object = None) -> object:
            if wanted != name:
                return None
            return importlib.util.spec_from_file_location(wanted, path_of(name))

    sys.meta_path.insert(0, Finder)
    sys.path.remove(stage.FIXTURES)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.append(stage.FIXTURES)
        sys.meta_path.remove(Finder)


def by_reload(name: str) -> ModuleType:
    return importlib.reload(importlib.import_module(name))


def by_second_import(name: str) -> ModuleType:
    importlib.import_module(name)
    stage.check_gil()
    del sys.modules[name]
    return importlib.import_module(name)


def inside_package(name: str) -> ModuleType:
    """By a dotted name, from a package whose folder holds the file."""
    package = ModuleType("holding")
    package.__path__ = [stage.FIXTURES]
    sys.modules["holding"] = package
    return importlib.import_module(f"holding.{name}")


WAYS = {
    "import_module": importlib.import_module,
    **{name: function for name, function in globals().items() if name[:3] in ("by_", "ins")},
}

wrong = 0
for name in NAMES:
    module = WAYS[sys.argv[1]](name)
    stage.check_gil()
    before = module.count()
    stage.together(*[lambda: stage.repeat(module.increment, TIMES)] * stage.THREADS)
    wrong += abs(stage.THREADS * TIMES - (module.count() - before)) + module.overlaps()
    assert module.__name__.rpartition(".")[2] == name
stage.report(wrong)
