"""``pytest -p pythonnogil``: who turned the GIL on, the mode, the table; alone and with others."""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import policies
import pytest
from processes import Finished, clean_environment, run_python

from pythonnogil import _report_document

CAME_ON = "pythonnogil: the GIL came on"
PASSED, FAILED, WRONG_USE, NO_TESTS = 0, 1, 4, 5

IMPORTS = """
def test_import():
    import package

def test_gil(request):
    pass
"""


def needs(module: str) -> pytest.MarkDecorator:
    """Skips a test where *module* is not installed; tests/run installs it."""
    absent = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(absent, reason=f"{module} is not installed here")


# How a run can be spread over processes or threads.
WAYS = [
    pytest.param((), id="alone"),
    pytest.param(("-n", "2"), id="xdist", marks=needs("xdist")),
    pytest.param(("--parallel-threads=2",), id="run-parallel", marks=needs("pytest_run_parallel")),
]


@pytest.fixture
def project(tmp_path: Path, extensions: Path) -> Path:
    """A project whose test imports a package that imports a legacy extension, once installed."""
    site = tmp_path / "site"
    (site / "package").mkdir(parents=True)
    (site / "package" / "__init__.py").write_text("import declared\nfrom package import inner\n")
    (site / "package" / "inner.py").write_text("\n\nimport static_counter\n")
    (site / "counting-1.2.dist-info").mkdir()
    for name in ("static_counter", "declared", "declared_single", "undeclared_multi"):
        (file,) = extensions.glob(f"{name}.*.so")
        shutil.copy(file, site)
        if name == "static_counter":
            (site / "counting-1.2.dist-info" / "RECORD").write_text(f"{file.name},,\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(IMPORTS)
    return tmp_path


def run_pytest(
    project: Path,
    *words: str,
    plugin: str = "pythonnogil",
    options: tuple[str, ...] = (),
    **settings: str,
) -> Finished:
    environment = clean_environment(
        PYTHONPATH=project / "site", PYTHONDONTWRITEBYTECODE="1", **settings
    )
    # What an outer pytest-xdist tells its workers is not meant for the inner run.
    environment = {
        name: value for name, value in environment.items() if not name.startswith("PYTEST_")
    }
    command = [*options, "-m", "pytest", "-p", plugin, "-p", "no:cacheprovider", *words]
    return run_python(*command, env=environment, cwd=project)


def culprits(done: Finished) -> list[str]:
    """The lines about the culprits."""
    lines = iter(done.stdout.splitlines())
    for line in lines:
        if CAME_ON in line:
            break
    found = []
    for line in lines:
        if line.startswith("="):
            break
        if line:
            found.append(line)
    return found


def table(done: Finished) -> list[list[str]]:
    """The cells of the report."""
    _, _, text = done.stdout.partition(" pythonnogil: extensions =")
    lines = text.splitlines()[1:]
    end = next(index for index, line in enumerate(lines) if line.startswith("=") or not line)
    return [line.split() for line in lines[:end]]


def static_counter_in(project: Path) -> list[str]:
    (file,) = (project / "site").glob("static_counter.*.so")
    return [
        "module static_counter: undeclared",
        f"  file          {file}",
        "  distribution  counting 1.2",
        "  imported by   test_it (test_it.py:3) -> package (site/package/__init__.py:2) -> "
        "package.inner (site/package/inner.py:3) -> static_counter",
    ]


@pytest.mark.parametrize("way", WAYS)
def test_the_culprit_is_named(project: Path, way: tuple[str, ...]) -> None:
    done = run_pytest(project, "--nogil-mode", "off", *way)
    assert done.rc == FAILED, done.stdout
    assert "passed" in done.stdout
    assert culprits(done) == static_counter_in(project)


@pytest.mark.parametrize("way", WAYS)
def test_a_guarded_run_passes(project: Path, way: tuple[str, ...]) -> None:
    done = run_pytest(project, "--nogil-report", *way)
    assert done.rc == PASSED, done.stdout
    assert CAME_ON not in done.stdout
    assert "Warning" not in done.stdout  # as pytest's own: that the plugin was imported already
    header, *rows = table(done)
    assert header == ["module", "verdict", "mode", "scope", "entries"]
    cells = {name: rest for name, *rest in rows}
    assert cells["declared"] == ["declared", "gil", "none", "0"]
    assert cells["static_counter"][:3] == ["legacy", "gil", "process"]
    assert int(cells["static_counter"][3]) > 0


@pytest.mark.parametrize("plugin", ["pythonnogil", "pythonnogil.pytest_plugin"])
def test_both_names_of_the_plugin(project: Path, plugin: str) -> None:
    done = run_pytest(project, "--nogil-mode=off", plugin=plugin)
    assert (done.rc, culprits(done)) == (FAILED, static_counter_in(project))


def test_named_by_a_conftest(project: Path) -> None:
    (project / "conftest.py").write_text('pytest_plugins = ["pythonnogil"]\n')
    done = run_pytest(project, plugin="no:doctest", PYTHONNOGIL_MODE="off")
    assert (done.rc, culprits(done)) == (FAILED, static_counter_in(project))


def test_without_the_plugin(project: Path) -> None:
    done = run_pytest(project, plugin="no:doctest", PYTHONNOGIL_MODE="off")
    assert (done.rc, CAME_ON in done.stdout) == (PASSED, False)


def test_warnings_as_errors(project: Path) -> None:
    """CPython turns the GIL on and then fails the import; and pytest has nothing to warn of."""
    done = run_pytest(project, "--nogil-mode=off", options=("-W", "error"))
    assert culprits(done) == static_counter_in(project)
    fine = run_pytest(project, options=("-W", "error", "-W", "ignore:guarded import"))
    assert fine.rc == PASSED, fine.stdout


def test_those_that_came_later_are_named_too(project: Path) -> None:
    (project / "conftest.py").write_text("import declared, undeclared_multi\n")
    done = run_pytest(project, PYTHONNOGIL_MODE="off")
    lines = culprits(done)
    assert lines[0] == "module undeclared_multi: undeclared"
    assert lines[2:4] == [
        "  distribution  unknown",
        "  imported by   conftest (conftest.py:1) -> undeclared_multi",
    ]
    assert lines[4:] == static_counter_in(project)


@pytest.mark.parametrize("file", ["site/sitecustomize.py", "conftest.py"])
def test_one_that_left_the_gil_off_is_no_culprit(project: Path, file: str) -> None:
    """Its file does not tell: it declares itself when it is initialized."""
    (project / file).write_text("import declared_single\n")
    done = run_pytest(project, PYTHONNOGIL_MODE="off")
    assert culprits(done) == static_counter_in(project)


def test_imported_before_the_plugin(project: Path) -> None:
    (project / "site" / "sitecustomize.py").write_text("import static_counter\n")
    done = run_pytest(project, PYTHONNOGIL_MODE="off", options=("-W", "ignore"))
    assert done.rc == FAILED
    assert culprits(done) == [
        *static_counter_in(project)[:3],
        "  imported by   static_counter, imported before the plugin or by native code",
    ]


def test_a_policy_that_leaves_a_module_to_cpython(project: Path) -> None:
    policy = policies.write(project, policies.rule("static_counter", 'mode = "off"'))
    done = run_pytest(project, "--nogil-report", PYTHONNOGIL_POLICY=str(policy))
    assert (done.rc, culprits(done)) == (FAILED, static_counter_in(project))
    assert [row[0] for row in table(done)[1:]].count("static_counter") == 0


def test_strict_mode(project: Path) -> None:
    done = run_pytest(project, "--nogil-mode=strict-nogil")
    assert done.rc == FAILED
    assert "ImportError: strict-nogil refuses 'static_counter'" in done.stdout
    assert CAME_ON not in done.stdout


def test_a_mode_that_changes_under_the_watch(project: Path) -> None:
    (project / "conftest.py").write_text("import pythonnogil\npythonnogil.install('gil')\n")
    done = run_pytest(project, "--nogil-mode=off")
    assert (done.rc, CAME_ON in done.stdout) == (PASSED, False)


def test_the_mode_reaches_child_processes(project: Path) -> None:
    code = "import pythonnogil; print(pythonnogil.mode())"
    (project / "test_it.py").write_text(f"""
import subprocess, sys
def test_mode():
    assert subprocess.check_output([sys.executable, "-c", {code!r}]) == b"strict-nogil\\n"
""")
    assert run_pytest(project, "--nogil-mode=strict-nogil").rc == PASSED


def test_another_tool_may_wrap_the_watch(project: Path) -> None:
    (project / "conftest.py").write_text("""
import _imp
inner = _imp.create_dynamic
_imp.create_dynamic = lambda *arguments: inner(*arguments)
""")
    done = run_pytest(project, "--nogil-mode=off")
    assert done.rc == FAILED
    assert culprits(done)[0] == "module static_counter: undeclared"


@pytest.mark.parametrize(
    ("settings", "rc"), [({"PYTHON_GIL": "1"}, PASSED), ({"PYTHON_GIL": "0"}, PASSED)]
)
def test_a_gil_that_was_asked_for(project: Path, settings: dict[str, str], rc: int) -> None:
    done = run_pytest(project, PYTHONNOGIL_MODE="off", **settings)
    assert (done.rc, CAME_ON in done.stdout) == (rc, False)
    idle = "the GIL is on by PYTHON_GIL=1, so there is nothing to watch" in done.stdout
    assert idle == (settings["PYTHON_GIL"] == "1")


def test_other_exit_codes_stay(project: Path) -> None:
    assert run_pytest(project, "-k", "absent").rc == NO_TESTS
    (project / "conftest.py").write_text("import static_counter\n")
    assert run_pytest(project, "--nogil-mode=off", "-k", "absent").rc == FAILED


def test_the_table_of_a_run_without_extensions(project: Path) -> None:
    (project / "test_it.py").write_text("def test_nothing(): pass\n")
    done = run_pytest(project, "--nogil-report")
    assert "none were seen in mode gil" in done.stdout


def test_two_modes_at_once(project: Path) -> None:
    done = run_pytest(project, "--nogil-mode=gil", options=("-X", "strict-nogil"))
    assert done.rc == WRONG_USE
    assert "two modes at once: -X strict-nogil and --nogil-mode gil; keep one" in done.stderr


def test_help(project: Path) -> None:
    done = run_pytest(project, "--help")
    assert done.rc == PASSED
    assert "--nogil-mode" in done.stdout
    assert "--nogil-report" in done.stdout


COUNTS = """
import static_counter

def test_first():
    for _ in range(5):
        static_counter.increment()

def test_second():
    for _ in range(5):
        static_counter.increment()
"""


def counted(report: Any) -> int:
    """How often the function of the fixture was called."""
    found = [item for item in report["modules"] if item["name"] == "static_counter"]
    functions = [item for module in found for item in module["functions"]]
    return sum(item["calls"] for item in functions if item["name"] == "increment")


@pytest.mark.parametrize("way", WAYS)
def test_the_report(project: Path, way: tuple[str, ...]) -> None:
    (project / "test_it.py").write_text(COUNTS)
    done = run_pytest(project, "--nogil-report", *way)
    assert done.rc == PASSED, done.stdout
    titles = [
        line.strip("= ") for line in done.stdout.splitlines() if "pythonnogil: report" in line
    ]
    workers = ["gw0", "gw1"] if "-n" in way else [""]
    assert titles == [f"pythonnogil: report of {name}".removesuffix(" of ") for name in workers]
    times = 2 if "--parallel-threads=2" in way else 1
    assert (
        sum(calls_in(part) for part in done.stdout.split("pythonnogil: report")[1:]) == 10 * times
    )


def calls_in(table: str) -> int:
    """How often the function of the fixture was called, as the printed table has it."""
    _, _, holds = table.partition("\nFunctions that held the lock longest\n")
    rows = [line.split() for line in holds.partition("\n\n")[0].splitlines()]
    return sum(int(row[1]) for row in rows if row[0] == "static_counter.increment")


@pytest.mark.parametrize("way", WAYS)
def test_the_report_in_a_file(project: Path, way: tuple[str, ...]) -> None:
    (project / "test_it.py").write_text(COUNTS)
    done = run_pytest(project, "--nogil-report-file=report.json", *way)
    assert done.rc == PASSED, done.stdout
    assert "pythonnogil: report" not in done.stdout
    files = sorted(project.glob("*.json"))
    workers = [".gw0", ".gw1"] if "-n" in way else [""]
    assert [file.name for file in files] == [f"report{name}.json" for name in workers]
    times = 2 if "--parallel-threads=2" in way else 1
    reports = [_report_document.read(str(file)) for file in files]
    assert sum(map(counted, reports)) == 10 * times
    assert not any(report["program"]["gil_enabled"] for report in reports)


def test_a_report_that_cannot_be_written(project: Path) -> None:
    done = run_pytest(project, "--nogil-report-file=absent/report.html")
    assert done.rc == PASSED
    path = project / "absent" / "report.html"
    line = f"pythonnogil: cannot write the report to {path}: No such file or directory"
    assert done.stdout.count(line) == 1


def test_nothing_is_measured_unasked(project: Path) -> None:
    (project / "test_it.py").write_text(
        "import pythonnogil\ndef test_it(): assert not pythonnogil.recording()\n"
    )
    assert run_pytest(project).rc == PASSED


def test_the_option_takes_no_test_for_a_file(project: Path) -> None:
    done = run_pytest(project, "--nogil-report", "test_it.py")
    assert done.rc == PASSED
    assert (project / "test_it.py").read_text() == IMPORTS


def test_costs_nothing_at_start_up() -> None:
    code = "import sys; print([name for name in sys.modules if 'pytest' in name], file=sys.stdout)"
    assert run_python("-c", code, env=dict(os.environ)).lines() == ["[]"]
