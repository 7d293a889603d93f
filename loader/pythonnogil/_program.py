"""Runs a program inside this process the way the interpreter itself would have run it.

The program gets a ``__main__`` module of its own, ``sys.argv`` and ``sys.path[0]`` as it expects
them, and tracebacks without frames of ours.
"""

import builtins
import importlib.machinery
import io
import os
import pkgutil
import runpy
import sys
from collections.abc import Callable, Sequence
from types import CodeType, ModuleType, TracebackType
from typing import cast

# What ``python -m`` itself calls.
_run_module_as_main = runpy._run_module_as_main  # type: ignore[attr-defined]

# What a program that is a file has in its namespace besides __file__.
_CACHED: dict[str, object] = {"__cached__": None} if sys.version_info < (3, 15) else {}

_OWN_FILES = os.path.join(os.path.dirname(__file__), "")


def run_code(code: str, arguments: Sequence[str]) -> int:
    """``python -c CODE ARGUMENT ...``"""
    main = _become("-c", arguments, path0="")
    main["__loader__"] = importlib.machinery.BuiltinImporter
    return _finish(lambda: _execute(code, "<string>", main))


def run_module(name: str, arguments: Sequence[str]) -> int:
    """``python -m MODULE ARGUMENT ...``"""
    _become("-m", arguments, path0=os.getcwd())
    return _finish(lambda: _run_module_as_main(name))


def run_path(path: str, arguments: Sequence[str]) -> int:
    """``python SCRIPT ARGUMENT ...``, where a script is a file, a directory, a zip file or "-"."""
    if path == "-":
        main = _become(path, arguments, path0="")
        main.update(__file__="<stdin>", **_CACHED)
        main["__loader__"] = importlib.machinery.BuiltinImporter
        return _finish(lambda: _execute(sys.stdin.read(), "<stdin>", main))
    # Absolute, as the interpreter makes it, but with the rest as it was typed.
    file = os.path.join(os.getcwd(), path)
    if pkgutil.get_importer(file) is not None:
        _become(path, arguments, path0=file, trusted=True)
        return _finish(lambda: _run_module_as_main("__main__", alter_argv=False))
    return _run_file(path, file, arguments)


def _run_file(path: str, file: str, arguments: Sequence[str]) -> int:
    try:
        with io.open_code(file) as stream:
            source = stream.read()
    except OSError as error:
        print(
            f"{sys.executable}: can't open file {file!r}: [Errno {error.errno}] {error.strerror}",
            file=sys.stderr,
        )
        return 2
    main = _become(path, arguments, path0=os.path.dirname(os.path.realpath(file)))
    main.update(__file__=file, **_CACHED)
    if file.endswith(".pyc"):
        loader = importlib.machinery.SourcelessFileLoader("__main__", file)
        main["__loader__"] = loader
        return _finish(lambda: exec(cast(CodeType, loader.get_code("__main__")), main))
    main["__loader__"] = importlib.machinery.SourceFileLoader("__main__", file)
    return _finish(lambda: _execute(source, file, main))


def _execute(source: str | bytes, filename: str, namespace: dict[str, object]) -> None:
    exec(compile(source, filename, "exec", dont_inherit=True), namespace)


def _become(
    argv0: str, arguments: Sequence[str], path0: str, trusted: bool = False
) -> dict[str, object]:
    """Make the process look freshly started; returns the namespace of the new ``__main__``.

    ``python -m`` has put the current directory first on sys.path, except under -P and -I. What
    the program expects there takes its place, except under the same options; *trusted* marks the
    one case in which CPython adds it all the same.
    """
    sys.argv[:] = [argv0, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = path0
    elif trusted:
        sys.path.insert(0, path0)
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins)
    if sys.version_info < (3, 14):
        main.__dict__.update(__annotations__={})
    sys.modules["__main__"] = main
    return main.__dict__


def _finish(program: Callable[[], object]) -> int:
    """Run the program to its end and report an uncaught exception as the interpreter does."""
    try:
        program()
    except Exception as error:
        sys.last_exc = error.with_traceback(_without_own_frames(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_OWN_FILES):
        traceback = traceback.tb_next
    return traceback
