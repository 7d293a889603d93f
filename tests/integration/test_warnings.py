"""The warnings: their text, their line, how often they come, and what -W makes of them."""

from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import pytest
from children import Stage
from processes import clean_environment, run_python

DROPPED_BY_CPYTHON = "Invalid -W option ignored: invalid module name: 'pythonnogil'\n"

WAYS_TO_IMPORT = {
    "statement": "import static_counter",
    "from": "from static_counter import increment",
    "in a function": "(lambda: __import__('static_counter'))()",
    "import_module": "importlib.import_module('static_counter')",
    "module_from_spec": "importlib.util.module_from_spec(spec)",
    "loader": "spec.loader.create_module(spec)",
    "exec": "exec(compile('import static_counter', __file__, 'exec'))",
}
if hasattr(ExtensionFileLoader, "load_module"):  # until 3.14
    WAYS_TO_IMPORT["load_module"] = "spec.loader.load_module('static_counter')"


@pytest.fixture
def run(extensions: Path, tmp_path: Path):
    """Runs a program with the fixture extensions, in unsafe mode unless told otherwise."""

    def run(text: str, *options: str, mode: str = "unsafe-nogil", **settings: str):
        program = tmp_path / "program.py"
        program.write_text(text)
        environment = clean_environment(PYTHONPATH=extensions, PYTHONNOGIL_MODE=mode, **settings)
        return run_python(*options, program, env=environment)

    return run


@pytest.mark.parametrize("way", WAYS_TO_IMPORT)
def test_warning_is_attributed_to_the_importing_line(run, tmp_path: Path, way: str) -> None:
    program = f"""\
import importlib, importlib.util, sys
spec = importlib.util.find_spec("static_counter")
#
{WAYS_TO_IMPORT[way]}
assert not sys._is_gil_enabled()
"""
    done = run(program)
    line = 1 if way == "exec" else 4
    warnings = [text for text in done.stderr.splitlines() if "UnsafeExtensionWarning" in text]
    assert done.rc == 0, done.stderr
    assert len(warnings) == 1, done.stderr
    assert warnings[0].startswith(
        f"{tmp_path / 'program.py'}:{line}: UnsafeExtensionWarning: "
        "unsafe import of 'static_counter' ("
    )


def test_warning_is_attributed_to_the_package_that_imports(run, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("\n\nimport static_counter\n")
    done = run("import package\n")
    assert f"{package / '__init__.py'}:3: UnsafeExtensionWarning: unsafe import of" in done.stderr


def test_lazily_loaded_module_warns_where_it_is_used(run, tmp_path: Path) -> None:
    program = """\
import importlib.util, sys
spec = importlib.util.find_spec("static_counter")
spec.loader = importlib.util.LazyLoader(spec.loader)
lazy = importlib.util.module_from_spec(spec)
"""
    done = run(program)
    assert f"{tmp_path / 'program.py'}:4: UnsafeExtensionWarning" in done.stderr


def test_each_module_warns_once(run, extensions: Path) -> None:
    program = """
import importlib, sys
for _ in range(3):
    for name in ("static_counter", "undeclared_multi", "declared"):
        importlib.import_module(name)
        importlib.reload(sys.modules[name])
        del sys.modules[name]
print(sys._is_gil_enabled())
"""
    done = run(program, "-W", "always")
    assert done.lines() == ["False"]
    warnings = [text for text in done.stderr.splitlines() if "Warning: " in text]
    assert len(warnings) == 2, done.stderr
    for name, text in zip(("static_counter", "undeclared_multi"), warnings, strict=True):
        (file,) = extensions.glob(f"{name}.*.so")
        assert f": unsafe import of '{name}' ({file}): " in text


@pytest.mark.parametrize(
    "options",
    [
        ["-W", "default::ImportWarning"],
        ["-W", "default::pythonnogil.GuardedExtensionWarning"],
        ["-X", "dev"],
    ],
)
def test_guarded_import_warns_when_asked_to(run, options: list[str]) -> None:
    program = "import static_counter, sys\nprint(sys._is_gil_enabled())\n"
    silent = run(program, mode="gil")
    assert silent.lines() == ["False"]
    assert silent.stderr == ""
    done = run(program, *options, mode="gil")
    assert done.lines() == ["False"]
    assert "GuardedExtensionWarning: guarded import of 'static_counter' (" in done.stderr


@pytest.mark.parametrize(
    ("mode", "category"),
    [("gil", "GuardedExtensionWarning"), ("unsafe-nogil", "UnsafeExtensionWarning")],
)
@pytest.mark.parametrize("module", ["static_counter", "undeclared_multi"])
@pytest.mark.parametrize("everything", [True, False])
def test_error_action_fails_the_import_and_leaves_nothing(
    run, mode: str, category: str, module: str, everything: bool
) -> None:
    program = f"""
import sys, threading, warnings, pythonnogil
for _ in range(2):
    try:
        import {module}
    except pythonnogil.{category} as warning:
        print(type(warning).__module__, type(warning).__name__, warning.__context__)
        print("{module}" in sys.modules, sys._is_gil_enabled(), pythonnogil.modules())
warnings.simplefilter("ignore")
# From another thread: a lock that the failed import left behind would be in its way.
thread = threading.Thread(target=__import__, args=("{module}",))
thread.start()
thread.join()
print("{module}" in sys.modules, sys._is_gil_enabled())
"""
    option = "error" if everything else f"error::pythonnogil.{category}"
    done = run(program, "-W", option, mode=mode)
    failed = [f"pythonnogil {category} None", "False False []"]
    assert done.lines() == [*failed, *failed, "True False"]
    assert done.stderr == ("" if everything else DROPPED_BY_CPYTHON)


TRY_IMPORT = """
import sys
try:
    import static_counter
except RuntimeWarning:
    print("error")
print(sys._is_gil_enabled())
"""
OURS = "pythonnogil.UnsafeExtensionWarning"


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        (["ignore:unsafe import"], "silent"),
        (["ignore:guarded import"], "warning"),
        (["ignore::RuntimeWarning"], "silent"),
        ([f"ignore::{OURS}"], "silent"),
        ([f"ignore:unsafe import of 'static:{OURS}"], "silent"),
        ([f"error::{OURS}"], "error"),
        (["error", f"ignore::{OURS}"], "silent"),
        ([f"error::{OURS}", "ignore::RuntimeWarning"], "silent"),
        (["ignore::RuntimeWarning", f"error::{OURS}"], "error"),
        ([f"ignore::{OURS}", f"error::{OURS}"], "error"),
        ([f"error::{OURS}", f"default::{OURS}"], "warning"),
        ([f"ignore::{OURS}", "error::pythonnogil.GuardedExtensionWarning"], "silent"),
    ],
)
@pytest.mark.parametrize("from_environment", [False, True])
def test_warning_options_apply_in_their_order(
    run, options: list[str], outcome: str, from_environment: bool
) -> None:
    if from_environment:
        done = run(TRY_IMPORT, PYTHONWARNINGS=",".join(options))
    else:
        done = run(TRY_IMPORT, *(f"-W{option}" for option in options))
    expected = ["error", "False"] if outcome == "error" else ["False"]
    assert done.lines() == expected
    ours = sum("pythonnogil." in option for option in options)
    stderr = done.stderr.removeprefix(DROPPED_BY_CPYTHON * ours)
    if outcome == "warning":
        assert "UnsafeExtensionWarning: unsafe import of" in stderr
    else:
        assert stderr == ""


def test_unknown_category_of_ours_is_reported(run) -> None:
    done = run("", "-W", "error::pythonnogil.Nonsense", "-W", "error::Nonsense")
    assert done.rc == 0
    assert done.stderr.splitlines() == [
        "Invalid -W option ignored: invalid module name: 'pythonnogil'",
        "Invalid -W option ignored: unknown warning category: 'Nonsense'",
        "Invalid -W option ignored: unknown warning category: 'pythonnogil.Nonsense'",
    ]


def test_categories_of_other_packages_stay_dropped(run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("class LateWarning(Warning): pass\n")
    program = f"""
import sys
from pythonnogil import _warning_options
_warning_options.apply_again(["error::{OURS}", "error::elsewhere.LateWarning"])
print("elsewhere" in sys.modules)
"""
    assert run(program).lines() == ["False"]


def test_warning_is_recorded_like_any_other(run) -> None:
    program = """
import warnings, pythonnogil
with warnings.catch_warnings(record=True) as caught:
    import static_counter
(warning,) = caught
print(warning.category is pythonnogil.UnsafeExtensionWarning, warning.lineno)
print(issubclass(warning.category, RuntimeWarning))
print(issubclass(pythonnogil.GuardedExtensionWarning, ImportWarning))
"""
    assert run(program).lines() == ["True 4", "True", "True"]


@pytest.mark.parametrize(
    "module", ["static_counter", "undeclared_multi", "explicit_used", "types_zoo", "shared_cache"]
)
@pytest.mark.parametrize(
    ("mode", "filters", "refusal"),
    [
        ("strict-nogil", (), "ImportError"),
        ("gil", ("-W", "error"), "GuardedExtensionWarning"),
        ("unsafe-nogil", ("-W", "error"), "UnsafeExtensionWarning"),
    ],
)
def test_refused_module_is_left_as_it_was(
    guarded: Stage, module: str, mode: str, filters: tuple[str, ...], refusal: str
) -> None:
    """No redirected import and no guarded function stays behind in the memory of its file."""
    settings = {"PYTHONNOGIL_MODE": mode}
    report = guarded.check("left_in_memory.py", module, options=filters, settings=settings)
    assert report["refusals"] == [refusal] * 2
    assert report["size"] > 1000
