"""The start-up hook: it is small, it is installed once, and it reaches child processes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from processes import clean_environment, run_python

import pythonnogil

PACKAGE = Path(pythonnogil.__file__).parent


def test_start_up_loads_no_native_code() -> None:
    code = """
import sys
print(sorted(name for name in sys.modules if name.startswith("pythonnogil")))
with open("/proc/self/maps") as maps:
    print([line for line in maps if "/pythonnogil/_core" in line or "spdlog" in line])
"""
    assert run_python("-c", code).lines() == ["['pythonnogil']", "[]"]


def test_cpythons_own_extensions_need_no_native_core() -> None:
    code = """
import importlib, os, sys, math
folder = os.path.dirname(math.__file__)
names = {file.partition(".")[0] for file in os.listdir(folder)} & sys.stdlib_module_names
for name in sorted(names):
    importlib.import_module(name)
    assert not sys._is_gil_enabled(), name
print(len(names) > 20, "pythonnogil._core" in sys.modules)
"""
    assert run_python("-c", code).lines() == ["True False"]


def test_an_extension_under_a_name_of_cpythons_own_is_not_taken_for_one(extensions: Path) -> None:
    code = """
import importlib.util, sys, pythonnogil
(file,) = sys.argv[1:]
spec = importlib.util.spec_from_file_location("_decimal", file)
try:
    importlib.util.module_from_spec(spec)
except ImportError as error:
    print("PyInit__decimal" in str(error))
print(sys._is_gil_enabled(), "pythonnogil._core" in sys.modules)
"""
    (file,) = extensions.glob("undeclared_multi.*.so")
    assert run_python("-c", code, file).lines() == ["True", "False True"]


def test_the_native_core_exports_nothing_but_its_init_functions() -> None:
    """The second one is that of the module in whose init function a GIL lease sits."""
    (core,) = PACKAGE.glob("_core.*.so")
    command = ["nm", "--dynamic", "--defined-only", core]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    names = {line.split()[-1] for line in done.stdout.splitlines()}
    assert names == {"PyInit__core", "PyInit__gil_lease"}


def test_the_stand_in_looks_like_what_it_stands_for() -> None:
    code = """
import _imp, pythonnogil
original = pythonnogil._original_create_dynamic
assert _imp.create_dynamic is not original
for name in ("__name__", "__qualname__", "__module__", "__doc__", "__text_signature__"):
    assert getattr(_imp.create_dynamic, name) == getattr(original, name), name
print(repr(original))
"""
    assert run_python("-c", code).lines() == ["<built-in function create_dynamic>"]


def test_first_extension_brings_in_the_native_loader(extensions: Path) -> None:
    code = """
import _imp, sys
stand_in = _imp.create_dynamic
import undeclared_multi, pythonnogil
print(_imp.create_dynamic is sys.modules["pythonnogil._core"].create_dynamic)
import importlib.util
spec = importlib.util.find_spec("explicit_used")
print(stand_in(spec), sys._is_gil_enabled())
print([module["name"] for module in pythonnogil.modules()])
"""
    environment = clean_environment(PYTHONPATH=extensions)
    native, module, names = run_python("-c", code, env=environment).lines()
    assert native == "True"
    assert module.startswith("<module 'explicit_used'") and module.endswith(" False")
    assert names == "['undeclared_multi', 'explicit_used']"


def test_the_hook_stays_behind_what_wraps_it(extensions: Path) -> None:
    code = """
import _imp, sys
inner = _imp.create_dynamic
def wrapper(spec, *file):
    print("wrapper:", spec.name)
    return inner(spec, *file)
_imp.create_dynamic = wrapper
import undeclared_multi, explicit_used
print(_imp.create_dynamic is wrapper, sys._is_gil_enabled())
"""
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=extensions))
    assert done.lines() == [
        "wrapper: undeclared_multi",
        "wrapper: pythonnogil._core",
        "wrapper: explicit_used",
        "True False",
    ]


@pytest.mark.parametrize("mode", [None, "gil", "unsafe-nogil"])
def test_start_up_files_may_run_twice(extensions: Path, mode: str | None) -> None:
    code = f"""
import _imp, site, sys, pythonnogil
for _ in range(2):
    before = _imp.create_dynamic
    site.addsitedir({str(PACKAGE.parent)!r})
    assert _imp.create_dynamic is before
    import undeclared_multi
print(pythonnogil.mode(), sys._is_gil_enabled())
"""
    settings = {} if mode is None else {"PYTHONNOGIL_MODE": mode}
    environment = clean_environment(PYTHONPATH=extensions, **settings)
    done = run_python("-W", "ignore:unsafe import", "-c", code, env=environment)
    assert done.lines() == [f"{mode or 'gil'} False"]


def test_start_up_files_are_at_the_root_of_site_packages() -> None:
    for name in ("pythonnogil.pth", "pythonnogil.start"):
        assert (PACKAGE.parent / name).is_file()
    # What a .start file names (PEP 829) is what the .pth file runs.
    module, _, function = (PACKAGE.parent / "pythonnogil.start").read_text().strip().partition(":")
    line = (PACKAGE.parent / "pythonnogil.pth").read_text()
    assert line == f"import {module}; {module}.{function}()\n"


MULTIPROCESSING = """
import multiprocessing, os, sys
def report():
    import pythonnogil
    print(pythonnogil.mode(), sys._is_gil_enabled(), flush=True)
if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=report)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.parametrize(
    ("options", "variable", "mode"),
    [
        ([], None, "gil"),
        ([], "strict-nogil", "strict-nogil"),
        (["-X", "strict-nogil"], None, "strict-nogil"),
        (["-X", "nogil-mode=unsafe-nogil"], "strict-nogil", "unsafe-nogil"),
        (["-X", "nogil-mode=gil"], "strict-nogil", "gil"),
    ],
)
def test_children_of_multiprocessing_inherit_the_mode(
    tmp_path: Path, method: str, options: list[str], variable: str | None, mode: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(MULTIPROCESSING)
    settings = {} if variable is None else {"PYTHONNOGIL_MODE": variable}
    done = run_python(*options, program, method, env=clean_environment(**settings))
    assert done.lines() == [f"{mode} False"]


@pytest.mark.parametrize(
    ("options", "variable", "left"),
    [
        ([], None, "None"),
        ([], "unsafe-nogil", "unsafe-nogil"),
        (["-X", "strict-nogil"], "unsafe-nogil", "strict-nogil"),
        (["-I", "-X", "strict-nogil"], "unsafe-nogil", "strict-nogil"),
        (["-X", "dev"], None, "None"),
    ],
)
def test_only_a_mode_from_the_command_line_is_left_in_the_environment(
    options: list[str], variable: str | None, left: str
) -> None:
    settings = {} if variable is None else {"PYTHONNOGIL_MODE": variable}
    code = "import os; print(os.environ.get('PYTHONNOGIL_MODE'))"
    assert run_python(*options, "-c", code, env=clean_environment(**settings)).lines() == [left]


def test_threads_may_meet_in_the_first_import(extensions: Path) -> None:
    code = """
import sys, threading
names = ["static_counter", "undeclared_multi", "explicit_used", "declared"] * 2
barrier = threading.Barrier(len(names))
failures = []
def load(name):
    barrier.wait()
    try:
        __import__(name).increment()
    except BaseException as error:
        failures.append(error)
threads = [threading.Thread(target=load, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
import pythonnogil
print(failures, sys._is_gil_enabled(), len(pythonnogil.modules()))
"""
    environment = clean_environment(PYTHONPATH=extensions)
    for _ in range(5):
        assert run_python("-c", code, env=environment).lines() == ["[] False 4"]


@pytest.mark.parametrize("options", [[], ["-X", "nogil-mode=gil"]])
def test_bytes_that_are_no_text_in_the_arguments(options: list[str]) -> None:
    code = "import os, sys, pythonnogil; print(pythonnogil.mode(), os.fsencode(sys.argv[1]))"
    done = run_python(*options, "-X", b"other=\xfe", "-c", code, b"\xff")
    assert done.lines() == ["gil b'\\xff'"]


@pytest.fixture
def package_copy(tmp_path: Path) -> Path:
    """A folder with a copy of the package that has no native core."""
    ignore = shutil.ignore_patterns("_core.*", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "copy" / "pythonnogil", ignore=ignore)
    return tmp_path / "copy"


IMPORT_LEGACY = """
import _imp, sys
import undeclared_multi
import static_counter
print(sys._is_gil_enabled(), _imp.create_dynamic.__self__.__name__, sys.argv[1:])
"""


def test_without_its_core_the_default_mode_leaves_extensions_to_cpython(
    package_copy: Path, extensions: Path
) -> None:
    environment = clean_environment(PYTHONPATH=f"{package_copy}:{extensions}")
    done = run_python("-c", IMPORT_LEGACY, env=environment)
    assert done.lines() == ["True _imp []"]
    assert done.stderr.count("RuntimeWarning: pythonnogil: its native core cannot be loaded") == 1
    assert "; extensions are left to CPython" in done.stderr


@pytest.mark.parametrize("mode", ["gil", "strict-nogil", "unsafe-nogil", "off"])
def test_without_its_core_a_mode_that_was_asked_for_ends_the_process(
    package_copy: Path, mode: str
) -> None:
    environment = clean_environment(PYTHONPATH=package_copy, PYTHONNOGIL_MODE=mode)
    done = run_python("-c", "print('ran')", env=environment)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr.startswith("pythonnogil: its native core cannot be loaded (")
    assert done.stderr.count("\n") == 1


UNSUPPORTING_CORE = """
def platform_support(): return "There is no support for this processor."
def resolve_mode(xoptions, orig_argv, environ, policy): return environ or policy
def resolve_policy(xoptions, orig_argv, environ): return environ
def read_policy(file, shipped): return file
def describe_policy(policy): return {"mode": "gil", "refuses": policy is not None}
"""


@pytest.mark.parametrize("mode", [None, "gil", "unsafe-nogil"])
def test_on_a_platform_without_support_extensions_are_left_to_cpython(
    package_copy: Path, extensions: Path, mode: str | None
) -> None:
    (package_copy / "pythonnogil" / "_core.py").write_text(UNSUPPORTING_CORE)
    settings = {} if mode is None else {"PYTHONNOGIL_MODE": mode}
    environment = clean_environment(PYTHONPATH=f"{package_copy}:{extensions}", **settings)
    done = run_python("-c", IMPORT_LEGACY, env=environment)
    assert done.lines() == ["True _imp []"]
    text = (
        "RuntimeWarning: pythonnogil: no mode but off works on this platform: "
        "There is no support for this processor; extensions are left to CPython"
    )
    assert done.stderr.count(text) == 1


def test_on_a_platform_without_support_strict_mode_ends_the_process(package_copy: Path) -> None:
    (package_copy / "pythonnogil" / "_core.py").write_text(UNSUPPORTING_CORE)
    environment = clean_environment(PYTHONPATH=package_copy, PYTHONNOGIL_MODE="strict-nogil")
    done = run_python("-c", "print('ran')", env=environment)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr == (
        "pythonnogil: no mode but off works on this platform: "
        "There is no support for this processor\n"
    )


def test_on_a_platform_without_support_a_policy_that_refuses_ends_the_process(
    package_copy: Path,
) -> None:
    (package_copy / "pythonnogil" / "_core.py").write_text(UNSUPPORTING_CORE)
    environment = clean_environment(PYTHONPATH=package_copy, PYTHONNOGIL_POLICY="p.toml")
    done = run_python("-c", "print('ran')", env=environment)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr == (
        "pythonnogil: no mode but off works on this platform: "
        "There is no support for this processor\n"
    )
