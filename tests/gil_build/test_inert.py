"""On an ordinary build of CPython, with the GIL, the package installs and does nothing.

The one exception is what the user asks for: strict-nogil refuses there what it refuses elsewhere.
"""

import importlib.metadata
import json
from pathlib import Path

import pytest
from processes import Finished, clean_environment, run_python

LEGACY = {
    "static_counter": "uses single-phase initialization",
    "undeclared_multi": "does not declare that it is safe",
    "explicit_used": "declares that it needs the GIL (Py_MOD_GIL_USED)",
}
INERT_MODES = (None, "gil", "unsafe-nogil", "off")
ALL_MODES = (*INERT_MODES, "strict-nogil")

pytestmark = pytest.mark.timeout(120)


def run_code(code: str, *options: str, mode: str | None = None, **settings: str | Path) -> Finished:
    """Run *code* in a child of this interpreter; without a *mode* nobody has asked for one."""
    if mode is not None:
        settings["PYTHONNOGIL_MODE"] = mode
    return run_python(*options, "-c", code, env=clean_environment(**settings))


def test_package_is_installed_with_its_start_up_files_and_core() -> None:
    files = importlib.metadata.files("pythonnogil") or []
    assert {"pythonnogil.pth", "pythonnogil.start"} <= {str(file) for file in files}
    assert all(Path(file.locate()).exists() for file in files)
    code = "import pythonnogil._core as core; print(core.platform_support())"
    assert run_code(code).lines() == ["None"]


@pytest.mark.parametrize("options", [[], ["-W", "error"], ["-X", "dev"], ["-I"]])
def test_start_up_says_nothing_and_loads_no_native_code(options: list[str]) -> None:
    code = """
import sys
print("pythonnogil" in sys.modules, "pythonnogil._core" in sys.modules)
import pythonnogil
print(pythonnogil.mode(), sys._is_gil_enabled())
"""
    done = run_code(code, *options)
    assert done.lines() == ["True False", "gil True"]
    assert done.stderr == ""


@pytest.mark.parametrize("options", [[], ["-W", "error"]])
@pytest.mark.parametrize("mode", INERT_MODES)
def test_cpythons_own_loader_stays_in_place(
    extensions: Path, mode: str | None, options: list[str]
) -> None:
    """With and without an option, which start up on different ways."""
    code = """
import _imp, sys
own = _imp.create_dynamic
print(own.__self__.__name__, "pythonnogil._core" in sys.modules)
import declared, explicit_used, static_counter, undeclared_multi, pythonnogil
undeclared_multi.increment()
print(undeclared_multi.count(), pythonnogil.mode(), pythonnogil.modules())
print(_imp.create_dynamic is own, sys._is_gil_enabled())
"""
    done = run_code(code, *options, mode=mode, PYTHONPATH=extensions)
    needs_core = mode is not None
    assert done.lines() == [f"_imp {needs_core}", f"1 {mode or 'gil'} []", "True True"]
    assert done.stderr == ""


def standard_library(*options: str, mode: str | None = None) -> list[str]:
    """The extension modules of the standard library that can be imported, in files of their own."""
    code = """
import importlib, json, os, sys, sysconfig
folder = os.path.join(sysconfig.get_config_var("DESTSHARED"), "")
found = {name.partition(".")[0] for name in os.listdir(folder)}
loaded = []
for name in sorted(found & sys.stdlib_module_names):
    try:
        module = importlib.import_module(name)
    except ImportError:
        continue
    if (getattr(module, "__file__", None) or "").startswith(folder):
        loaded.append(name)
print(json.dumps(loaded))
"""
    done = run_code(code, *options, mode=mode)
    (line,) = done.lines()
    assert done.stderr == ""
    return json.loads(line)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_standard_library_imports_as_without_the_hook(mode: str | None) -> None:
    untouched = standard_library("-S")
    assert "_ctypes" in untouched
    assert standard_library("-W", "ignore::DeprecationWarning", mode=mode) == untouched


@pytest.mark.parametrize("module", LEGACY)
def test_strict_mode_refuses_legacy(extensions: Path, module: str) -> None:
    code = f"""
import sys
for _ in range(2):
    try:
        import {module}
    except ImportError as error:
        print(error.name, error.path, "{module}" in sys.modules, error, sep="|")
"""
    done = run_code(code, mode="strict-nogil", PYTHONPATH=extensions)
    (file,) = extensions.glob(f"{module}.*.so")
    refusals = done.lines()
    assert len(refusals) == 2
    for refusal in refusals:
        name, path, is_loaded, text = refusal.split("|")
        assert (name, path, is_loaded) == (module, str(file), "False")
        assert text.startswith(f"strict-nogil refuses '{module}' ({file}): it ")
        assert LEGACY[module] in text
    assert done.stderr == ""


@pytest.mark.parametrize(("mode", "runs"), [("strict-nogil", False), ("gil", True)])
def test_exec_code_of_refused_module_never_runs(
    extensions: Path, tmp_path: Path, mode: str, runs: bool
) -> None:
    """The default mode is the control: there the exec code does leave its trace."""
    trace = tmp_path / "trace"
    settings = {"PYTHONPATH": extensions, "UNDECLARED_MULTI_TRACE": trace}
    done = run_code("import undeclared_multi", mode=mode, **settings)
    assert ("ImportError: strict-nogil refuses 'undeclared_multi'" in done.stderr) != runs
    assert (done.rc == 0) == runs
    assert trace.exists() == runs


def test_strict_mode_accepts_declared(extensions: Path) -> None:
    code = """
import declared, pythonnogil, sys
declared.increment()
(module,) = (known for known in pythonnogil.modules() if known["name"] == "declared")
print(declared.count(), pythonnogil.mode(), module["verdict"], sys._is_gil_enabled())
"""
    done = run_code(code, "-X", "strict-nogil", "-W", "error", PYTHONPATH=extensions)
    assert done.lines() == ["1 strict-nogil declared True"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "mode", "complaint"),
    [
        ([], "fast", 'unknown mode "fast" in PYTHONNOGIL_MODE'),
        (["-X", "nogil-mode=fast"], None, 'unknown mode "fast" in -X nogil-mode'),
        (["-X", "strict-nogil", "-X", "unsafe-nogil"], None, "two modes at once"),
    ],
)
def test_bad_mode_ends_the_process(options: list[str], mode: str | None, complaint: str) -> None:
    done = run_code("print('ran')", *options, mode=mode)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr.startswith(f"pythonnogil: {complaint}")
    assert done.stderr.count("\n") == 1


def test_scan_knows_the_object_layout_of_this_build(extensions: Path) -> None:
    done = run_python("-m", "pythonnogil", "scan", "--json", extensions)
    found = {file["module"]: file["verdict"] for file in json.loads(done.stdout)["files"]}
    assert found == {
        "atomic_ref": "declared",
        "declared": "declared",
        "explicit_used": "explicitly not",
        "letter_template": "undeclared",  # single-phase: on this build there is nothing to call
        "static_counter": "undeclared",
        "undeclared_multi": "undeclared",
    }
    assert done.rc == 1


def test_entries_has_nothing_to_look_at() -> None:
    done = run_python("-m", "pythonnogil", "entries", "json")
    line = "pythonnogil: entries: extensions are left to CPython here, with its GIL\n"
    assert (done.rc, done.stdout, done.stderr) == (2, "", line)


def test_doctor_tells_what_to_do() -> None:
    done = run_python("-m", "pythonnogil", "doctor", "--json")
    assert (done.rc, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert found["interpreter"]["free_threaded"] is False
    assert found["hook"]["by"] == "start-up file"
    assert found["gil"] == {"enabled": True, "request": None, "turned_on_by": []}
    assert found["to_do"] == [
        "use a free-threaded build of CPython (python3.13t); this one always has its GIL"
    ]


def test_pytest_plugin_has_nothing_to_watch(tmp_path: Path, extensions: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_import():\n    import static_counter\n")
    words = ["-m", "pytest", "-p", "pythonnogil", "-p", "no:cacheprovider", "--nogil-report"]
    environment = clean_environment(PYTHONPATH=extensions)
    done = run_python(*words, "test_it.py", cwd=tmp_path, env=environment)
    assert done.rc == 0, done.stdout
    assert "the GIL is on by this build of CPython, so there is nothing to watch" in done.stdout
