"""``python -m pythonnogil doctor`` against processes that are set up in known ways."""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import policies
import pytest
from processes import Finished, clean_environment, run_python

import pythonnogil

GOLDEN = Path(__file__).parent / "golden"
PACKAGE = Path(pythonnogil.__file__).parent
SITE_PACKAGES = PACKAGE.parent

DOCTOR = """
import sys
from pythonnogil._command_line import main
sys.exit(main(["doctor", *sys.argv[1:]]))
"""


def doctor(*words: str, options: tuple[str, ...] = (), **how) -> Finished:
    return run_python(*options, "-m", "pythonnogil", "doctor", *words, **how)


def facts(done: Finished, rc: int = 1) -> dict[str, Any]:
    assert (done.rc, done.stderr) == (rc, "")
    return json.loads(done.stdout)


def with_sitecustomize(folder: Path, code: str, extensions: Path, **settings: str) -> Finished:
    """What doctor says where *code* runs after the start-up file and before the program."""
    (folder / "sitecustomize.py").write_text(code)
    environment = clean_environment(PYTHONPATH=f"{folder}:{extensions}", **settings)
    return doctor("--json", options=("-W", "ignore"), env=environment)


def normalized(text: str) -> object:
    """The document without what differs from machine to machine."""
    for value, name in (
        (str(SITE_PACKAGES), "SITE-PACKAGES"),
        (sys.executable, "EXECUTABLE"),
        (platform.python_version(), "VERSION"),
        (pythonnogil.__version__, "OUR-VERSION"),
        ("pythonnogil.start", "pythonnogil.pth"),
    ):
        text = text.replace(value, name)
    document = json.loads(text)
    document["hook"]["start_up_files"] = document["hook"]["start_up_files"][:1]
    return document


@pytest.mark.parametrize("options", [(), ("-I",), ("-E",)])
def test_json(options: tuple[str, ...]) -> None:
    done = doctor("--json", options=options)
    assert (done.rc, done.stderr) == (0, "")
    assert normalized(done.stdout) == json.loads((GOLDEN / "doctor.json").read_text())


def test_text() -> None:
    lines = doctor().lines()
    assert "GIL          off" in lines
    assert "mode         gil (from: default)" in lines
    assert lines[-1] == "to do        nothing"


@pytest.mark.parametrize(("word", "kind"), [("--fast", "option"), ("numpy", "argument")])
def test_wrong_use(word: str, kind: str) -> None:
    line = f"pythonnogil: doctor: unknown {kind} {word}\n"
    assert doctor(word) == Finished(2, "", line)


def test_without_site() -> None:
    environment = clean_environment(PYTHONPATH=SITE_PACKAGES)
    found = facts(doctor("--json", options=("-S",), env=environment))
    assert found["hook"]["installed"] is False
    assert found["hook"]["by"] is None
    assert found["hook"]["first_loader"] == "CPython"
    assert found["mode"] == {"value": "off", "source": "no hook", "silenced": None}
    assert found["to_do"] == [
        "leave out -S, which skips start-up files, or use python -m pythonnogil run"
    ]


def test_a_bad_selection_is_an_error_without_site_too() -> None:
    environment = clean_environment(PYTHONPATH=SITE_PACKAGES, PYTHONNOGIL_MODE="fast")
    done = doctor(options=("-S",), env=environment)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr.startswith('pythonnogil: unknown mode "fast" in PYTHONNOGIL_MODE')


@pytest.mark.parametrize("words", ["", "--json"])
def test_does_without_a_standard_output(words: str) -> None:
    code = f"import os\nos.close(1)\nos.execv(sys.executable, {[sys.executable]!r} + sys.argv[1:])"
    command = ["-m", "pythonnogil", "doctor", *words.split()]
    done = run_python("-c", f"import sys\n{code}", *command)
    assert done == Finished(0, "", "")


@pytest.mark.parametrize(
    ("options", "settings", "value", "source"),
    [
        (("-X", "strict-nogil"), {}, "strict-nogil", "-X strict-nogil"),
        (("-X", "nogil-mode=gil"), {}, "gil", "-X nogil-mode=gil"),
        ((), {"PYTHONNOGIL_MODE": "unsafe-nogil"}, "unsafe-nogil", "PYTHONNOGIL_MODE"),
        (("-X", "strict-nogil"), {"PYTHONNOGIL_MODE": "off"}, "strict-nogil", "-X strict-nogil"),
    ],
)
def test_where_the_mode_comes_from(
    options: tuple[str, ...], settings: dict[str, str], value: str, source: str
) -> None:
    found = facts(doctor("--json", options=options, env=clean_environment(**settings)), rc=0)
    assert found["mode"] == {"value": value, "source": source, "silenced": None}
    assert found["hook"]["by"] == "start-up file"


def test_where_the_policy_comes_from(tmp_path: Path) -> None:
    file = str(policies.write(tmp_path, 'mode = "strict-nogil"\n'))
    by_variable = doctor("--json", env=clean_environment(PYTHONNOGIL_POLICY=file))
    by_option = doctor("--json", options=("-X", f"nogil-policy={file}"))
    for done, source in (
        (by_variable, "PYTHONNOGIL_POLICY"),
        (by_option, f"-X nogil-policy={file}"),
    ):
        found = facts(done, rc=0)
        assert found["policy"] == {"value": file, "source": source, "silenced": None}
        assert found["mode"] == {"value": "strict-nogil", "source": "policy", "silenced": None}


@pytest.mark.parametrize("option", ["-E", "-I"])
def test_silenced_variables(option: str) -> None:
    environment = clean_environment(PYTHONNOGIL_MODE="strict-nogil", PYTHONNOGIL_POLICY="/nowhere")
    found = facts(doctor("--json", options=(option,), env=environment))
    assert found["mode"]["value"] == "gil"
    assert found["mode"]["silenced"] == "PYTHONNOGIL_MODE=strict-nogil"
    assert found["policy"] == {
        "value": None,
        "source": "default",
        "silenced": "PYTHONNOGIL_POLICY=/nowhere",
    }
    assert [line.partition("; ")[0] for line in found["to_do"]] == [
        f"PYTHONNOGIL_MODE=strict-nogil has no effect under {option}",
        f"PYTHONNOGIL_POLICY=/nowhere has no effect under {option}",
    ]


def test_the_gil_by_request() -> None:
    found = facts(doctor("--json", env=clean_environment(PYTHON_GIL="1")))
    assert found["gil"] == {"enabled": True, "request": "PYTHON_GIL=1", "turned_on_by": []}
    assert found["to_do"] == [
        "leave out PYTHON_GIL=1, which turns the GIL on for the whole process"
    ]


def test_who_turned_the_gil_on(tmp_path: Path, extensions: Path) -> None:
    code = "import declared, static_counter, undeclared_multi"
    done = with_sitecustomize(tmp_path, code, extensions, PYTHONNOGIL_MODE="off")
    found = facts(done)
    assert found["gil"]["enabled"] is True
    culprits = found["gil"]["turned_on_by"]
    assert [item["name"] for item in culprits] == ["static_counter", "undeclared_multi"]
    assert culprits[0]["path"].startswith(str(extensions))
    assert [item["name"] for item in found["unseen"]] == [
        "declared",
        "static_counter",
        "undeclared_multi",
    ]
    assert found["to_do"] == [
        "have these imported under the hook, in mode gil, to keep the GIL off: "
        "static_counter, undeclared_multi",
        "mode off leaves legacy extensions to CPython; it comes from: PYTHONNOGIL_MODE",
    ]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import declared, static_counter", "on, turned on by static_counter"),
        (
            "import undeclared_multi, static_counter",
            "on, turned on by one of undeclared_multi, static_counter",
        ),
    ],
)
def test_the_line_on_who_turned_the_gil_on(
    tmp_path: Path, extensions: Path, code: str, line: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(code)
    environment = clean_environment(
        PYTHONPATH=f"{tmp_path}:{extensions}", PYTHONNOGIL_MODE="off"
    )
    done = doctor(options=("-W", "ignore"), env=environment)
    assert f"GIL          {line}" in done.stdout.splitlines()


def test_guarded_extensions_are_seen(tmp_path: Path, extensions: Path) -> None:
    found = facts(with_sitecustomize(tmp_path, "import static_counter", extensions), rc=0)
    assert (found["gil"]["enabled"], found["unseen"]) == (False, [])


def test_unguarded_because_loaded_before_the_hook(extensions: Path) -> None:
    code = f"import static_counter, pythonnogil\npythonnogil.install()\n{DOCTOR}"
    environment = clean_environment(PYTHONPATH=f"{SITE_PACKAGES}:{extensions}", PYTHON_GIL="0")
    found = facts(run_python("-S", "-c", code, "--json", env=environment))
    assert found["hook"]["by"] == "program"
    assert [(item["name"], item["verdict"]) for item in found["unseen"]] == [
        ("static_counter", "undeclared")
    ]
    assert found["to_do"] == [
        "have static_counter imported after the hook is in place: it runs unguarded"
    ]


def test_a_mode_that_the_program_chose(tmp_path: Path, extensions: Path) -> None:
    code = "import pythonnogil\npythonnogil.install('strict-nogil')"
    found = facts(with_sitecustomize(tmp_path, code, extensions), rc=0)
    assert found["mode"] == {"value": "strict-nogil", "source": "program", "silenced": None}


def test_a_hook_that_another_tool_wrapped(tmp_path: Path, extensions: Path) -> None:
    code = """
import _imp
inner = _imp.create_dynamic
def tracing(*arguments):
    return inner(*arguments)
_imp.create_dynamic = tracing
import static_counter
"""
    found = facts(with_sitecustomize(tmp_path, code, extensions), rc=0)
    file = tmp_path / "sitecustomize.py"
    assert found["hook"]["first_loader"] == f"sitecustomize.tracing ({file}:4)"
    assert found["unseen"] == []


def test_a_hook_that_was_taken_out(tmp_path: Path, extensions: Path) -> None:
    code = "import _imp, pythonnogil\n_imp.create_dynamic = pythonnogil._original_create_dynamic"
    cured = with_sitecustomize(tmp_path, f"{code}\npythonnogil.install('gil')", extensions)
    assert facts(cured, rc=0)["hook"]["first_loader"] == "pythonnogil"
    found = facts(with_sitecustomize(tmp_path, code, extensions))
    assert found["hook"]["first_loader"] == "CPython"
    assert found["to_do"] == [
        'something took the hook out again; call pythonnogil.install("gil") after it'
    ]
