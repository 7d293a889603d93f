"""Which mode a process runs in, and what each mode does with an extension."""

import shutil
from pathlib import Path

import pytest
from processes import Finished, clean_environment, run_python

LEGACY = {
    "static_counter": "uses single-phase initialization",
    "undeclared_multi": "does not declare that it is safe",
    "explicit_used": "declares that it needs the GIL (Py_MOD_GIL_USED)",
}
ALL_MODES = "gil, strict-nogil, unsafe-nogil, off"

PRINT_MODE = "import pythonnogil; print(pythonnogil.mode())"

IMPORT = """
import sys
try:
    import {module}
except ImportError as error:
    print("refused", error.name, error.path)
    print(error)
else:
    print("imported", {module}.__name__, {module}.__file__)
print("GIL", sys._is_gil_enabled(), "{module}" in sys.modules)
"""


def import_in_child(module: str, folder: Path, *options: str, **settings: str) -> Finished:
    environment = clean_environment(PYTHONPATH=folder, **settings)
    return run_python(*options, "-c", IMPORT.format(module=module), env=environment)


def file_of(module: str, folder: Path) -> Path:
    (file,) = folder.glob(f"{module}.*.so")
    return file


@pytest.mark.parametrize(
    ("options", "variable", "mode"),
    [
        ([], None, "gil"),
        ([], "", "gil"),
        ([], "gil", "gil"),
        ([], "strict-nogil", "strict-nogil"),
        ([], "unsafe-nogil", "unsafe-nogil"),
        ([], "off", "off"),
        (["-X", "strict-nogil"], None, "strict-nogil"),
        (["-Xunsafe-nogil"], None, "unsafe-nogil"),
        (["-X", "nogil-mode=off"], None, "off"),
        (["-X", "nogil-mode=gil"], "off", "gil"),
        (["-X", "unsafe-nogil"], "strict-nogil", "unsafe-nogil"),
        (["-X", "strict-nogil"], "fast", "strict-nogil"),
        (["-X", "strict-nogil", "-X", "nogil-mode=strict-nogil"], None, "strict-nogil"),
        (["-X", "dev"], "unsafe-nogil", "unsafe-nogil"),
        (["-E"], "strict-nogil", "gil"),
        (["-I"], "strict-nogil", "gil"),
        (["-I"], "fast", "gil"),
        (["-E", "-X", "dev"], "strict-nogil", "gil"),
        (["-E", "-X", "strict-nogil"], "off", "strict-nogil"),
        (["-IXunsafe-nogil"], "off", "unsafe-nogil"),
    ],
)
def test_selection(options: list[str], variable: str | None, mode: str) -> None:
    settings = {} if variable is None else {"PYTHONNOGIL_MODE": variable}
    done = run_python(*options, "-c", PRINT_MODE, env=clean_environment(**settings))
    assert done.lines() == [mode]


@pytest.mark.parametrize(
    ("options", "variable", "line"),
    [
        ([], "fast", f'unknown mode "fast" in PYTHONNOGIL_MODE; choose one of {ALL_MODES}'),
        (
            ["-X", "nogil-mode=fast"],
            "gil",
            f'unknown mode "fast" in -X nogil-mode; choose one of {ALL_MODES}',
        ),
        (
            ["-X", "nogil-mode"],
            None,
            f"-X nogil-mode needs a value; write -X nogil-mode=MODE with one of {ALL_MODES}",
        ),
        (
            ["-X", "strict-nogil=yes"],
            None,
            '-X strict-nogil takes no value, but "yes" was given; write -X strict-nogil',
        ),
        (
            ["-X", "strict-nogil", "-X", "unsafe-nogil"],
            "gil",
            "two modes at once: -X strict-nogil and -X unsafe-nogil; keep one of them",
        ),
        (
            ["-X", "nogil-mode=strict-nogil", "-BXnogil-mode=gil"],
            None,
            "two modes at once: -X nogil-mode=strict-nogil and -X nogil-mode=gil; keep one of them",
        ),
        (
            ["-X", "strict-nogill"],
            None,
            "unknown option -X strict-nogill; "
            "write -X strict-nogil, -X unsafe-nogil or -X nogil-mode=MODE",
        ),
        (
            ["-I", "-X", "nogl-mode=strict-nogil"],
            None,
            "unknown option -X nogl-mode=strict-nogil; "
            "write -X strict-nogil, -X unsafe-nogil or -X nogil-mode=MODE",
        ),
    ],
)
def test_bad_selection_ends_the_process(
    options: list[str], variable: str | None, line: str
) -> None:
    settings = {} if variable is None else {"PYTHONNOGIL_MODE": variable}
    done = run_python(*options, "-c", "print('ran')", env=clean_environment(**settings))
    assert done.rc == 2
    assert done.stdout == ""
    assert done.stderr == f"pythonnogil: {line}\n"


@pytest.mark.parametrize("mode", ["gil", "strict-nogil", "unsafe-nogil", "off"])
def test_declared_extension_loads_silently_in_every_mode(extensions: Path, mode: str) -> None:
    done = import_in_child("declared", extensions, "-W", "error", PYTHONNOGIL_MODE=mode)
    file = file_of("declared", extensions)
    assert done.lines() == [f"imported declared {file}", "GIL False True"]
    assert done.stderr == ""


@pytest.mark.parametrize("module", LEGACY)
@pytest.mark.parametrize("options", [[], ["-X", "nogil-mode=gil"], ["-X", "gil=0"]])
def test_gil_mode_loads_legacy_silently(extensions: Path, module: str, options: list[str]) -> None:
    done = import_in_child(module, extensions, *options)
    file = file_of(module, extensions)
    assert done.lines() == [f"imported {module} {file}", "GIL False True"]
    assert done.stderr == ""


@pytest.mark.parametrize("module", LEGACY)
def test_unsafe_mode_loads_legacy_with_a_warning(extensions: Path, module: str) -> None:
    done = import_in_child(module, extensions, "-X", "unsafe-nogil")
    file = file_of(module, extensions)
    assert done.lines() == [f"imported {module} {file}", "GIL False True"]
    assert f"UnsafeExtensionWarning: unsafe import of '{module}' ({file}): it " in done.stderr
    assert LEGACY[module] in done.stderr


@pytest.mark.parametrize("module", LEGACY)
def test_off_mode_leaves_legacy_to_cpython(extensions: Path, module: str) -> None:
    done = import_in_child(module, extensions, PYTHONNOGIL_MODE="off")
    file = file_of(module, extensions)
    assert done.lines() == [f"imported {module} {file}", "GIL True True"]
    assert "The global interpreter lock (GIL) has been enabled" in done.stderr


@pytest.mark.parametrize("gil", ["0", "1", None])
@pytest.mark.parametrize("module", LEGACY)
def test_strict_mode_refuses_legacy(extensions: Path, module: str, gil: str | None) -> None:
    settings = {} if gil is None else {"PYTHON_GIL": gil}
    done = import_in_child(module, extensions, "-X", "strict-nogil", **settings)
    refused, text, state = done.lines()
    file = file_of(module, extensions)
    assert refused == f"refused {module} {file}"
    assert text.startswith(f"strict-nogil refuses '{module}' ({file}): it ")
    assert LEGACY[module] in text
    assert "PYTHONNOGIL_MODE=gil" in text
    assert state == f"GIL {gil == '1'} False"


def test_strict_mode_never_runs_exec_code_and_refuses_again(
    extensions: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    code = """
import sys
for _ in range(3):
    try:
        import undeclared_multi
    except ImportError as error:
        print(type(error).__name__, error.name, "undeclared_multi" in sys.modules)
print(sys._is_gil_enabled())
"""
    settings = {"PYTHONPATH": extensions, "UNDECLARED_MULTI_TRACE": trace}
    strict = clean_environment(PYTHONNOGIL_MODE="strict-nogil", **settings)
    refused = "ImportError undeclared_multi False"
    assert run_python("-c", code, env=strict).lines() == [refused, refused, refused, "False"]
    assert not trace.exists()
    # The control: the trace is left where the exec code does run.
    assert run_python("-c", code, env=clean_environment(**settings)).lines() == ["False"]
    assert trace.exists()


def test_refusal_shows_the_importing_line_and_little_else(extensions: Path) -> None:
    environment = clean_environment(PYTHONPATH=extensions)
    done = run_python("-X", "strict-nogil", "-c", "import static_counter", env=environment)
    assert done.rc == 1
    frames = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert frames[0] == '  File "<string>", line 1, in <module>'
    assert len(frames) <= 2, done.stderr


def test_strict_mode_names_the_distribution(extensions: Path, tmp_path: Path) -> None:
    file = file_of("static_counter", extensions)
    shutil.copy(file, tmp_path)
    for distribution, owned in (("other-1.0", "other.py"), ("count_er-2.5", file.name)):
        info = tmp_path / f"{distribution}.dist-info"
        info.mkdir()
        (info / "RECORD").write_text(f"a.py,sha256=x,1\n{owned},sha256=y,2\n")
    done = import_in_child("static_counter", tmp_path, PYTHONNOGIL_MODE="strict-nogil")
    text = done.lines()[1]
    assert f"({tmp_path / file.name}) from count_er 2.5: " in text
    assert "use a release of count_er that declares its safety" in text


@pytest.mark.parametrize("options", [[], ["-X", "other"]])
@pytest.mark.parametrize("mode", [None, "gil", "unsafe-nogil"])
def test_with_the_gil_on_nothing_is_replaced(
    extensions: Path, mode: str | None, options: list[str]
) -> None:
    settings = {} if mode is None else {"PYTHONNOGIL_MODE": mode}
    code = """
import _imp, sys
print(_imp.create_dynamic.__self__.__name__)
import static_counter, pythonnogil
print(sys._is_gil_enabled(), pythonnogil.mode(), pythonnogil.modules())
print(_imp.create_dynamic.__self__.__name__)
"""
    environment = clean_environment(PYTHONPATH=extensions, PYTHON_GIL="1", **settings)
    done = run_python(*options, "-c", code, env=environment)
    assert done.lines() == ["_imp", f"True {mode or 'gil'} []", "_imp"]
    assert done.stderr == ""


def test_modules_tells_what_was_loaded(extensions: Path) -> None:
    code = """
import pythonnogil
assert pythonnogil.modules() == []
import declared, undeclared_multi
for module in pythonnogil.modules():
    print(module["name"], module["verdict"], module["reason"] or "-", module["mode"])
"""
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=extensions))
    assert done.lines() == ["declared declared - gil", "undeclared_multi legacy undeclared gil"]


def test_install_changes_the_mode(extensions: Path) -> None:
    code = """
import _imp, sys, pythonnogil
pythonnogil.install()
print(pythonnogil.mode())
import static_counter
pythonnogil.install("strict-nogil")
try:
    import explicit_used
except ImportError as error:
    print(pythonnogil.mode(), error.name)
try:
    pythonnogil.install("fast")
except ValueError as error:
    print(pythonnogil.mode(), error)
pythonnogil.install("unsafe-nogil")
import undeclared_multi
print(pythonnogil.mode(), sys._is_gil_enabled())
pythonnogil.install("off")
print(pythonnogil.mode(), _imp.create_dynamic.__self__.__name__)
"""
    environment = clean_environment(PYTHONPATH=extensions)
    done = run_python("-W", "ignore:unsafe import", "-c", code, env=environment)
    assert done.lines() == [
        "gil",
        "strict-nogil explicit_used",
        f'strict-nogil pythonnogil: unknown mode "fast"; choose one of {ALL_MODES}',
        "unsafe-nogil False",
        "off _imp",
    ]
    assert done.stderr == ""


UNSAFE_FIRST = """
import importlib.util, sys, pythonnogil
(name,) = sys.argv[1:]
pythonnogil.install("unsafe-nogil")
first = __import__(name)
del sys.modules[name]
pythonnogil.install("gil")
for _ in range(2):
    try:
        spec = importlib.util.spec_from_file_location(name, first.__file__)
        importlib.util.module_from_spec(spec)
    except ImportError as error:
        print(str(error).partition(" (")[0], "without a guard" in str(error), error.name)
pythonnogil.install("unsafe-nogil")
print(__import__(name).__file__ == first.__file__, sys._is_gil_enabled())
"""


@pytest.mark.parametrize("name", ["undeclared_multi", "static_counter"])
def test_what_was_loaded_unguarded_is_not_taken_for_guarded(extensions: Path, name: str) -> None:
    """CPython has copied its functions by then, so it cannot be guarded when the mode changes."""
    environment = clean_environment(PYTHONPATH=extensions)
    done = run_python("-W", "ignore", "-c", UNSAFE_FIRST, name, env=environment)
    assert done.lines() == [f"module '{name}' True {name}"] * 2 + ["True False"]
