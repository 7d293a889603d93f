"""Policy files: who chooses one, and what its rules do to an extension."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from children import Stage
from policies import DISTRUSTED, PRINT_POLICY, TRUSTED, command, rule, write
from processes import Finished, clean_environment, run_python

import pythonnogil


# Which file.


@pytest.mark.parametrize(
    ("options", "variables", "mode", "chosen"),
    [
        ([], {}, "gil", None),
        ([], {"POLICY": ""}, "gil", None),
        ([], {"POLICY": "strict.toml"}, "strict-nogil", "strict.toml"),
        (["-X", "nogil-policy=strict.toml"], {}, "strict-nogil", "strict.toml"),
        (["-Xnogil-policy=none.toml"], {"POLICY": "strict.toml"}, "gil", "none.toml"),
        (["-Xnogil-policy=none.toml"] * 2, {}, "gil", "none.toml"),
        (["-Xnogil-policy=none.toml"], {"POLICY": "absent.toml"}, "gil", "none.toml"),
        (["-E"], {"POLICY": "strict.toml"}, "gil", None),
        (["-I"], {"POLICY": "absent.toml"}, "gil", None),
        (["-I", "-Xnogil-policy=strict.toml"], {}, "strict-nogil", "strict.toml"),
        ([], {"POLICY": "strict.toml", "MODE": "unsafe-nogil"}, "unsafe-nogil", "strict.toml"),
        (["-Xnogil-mode=gil"], {"POLICY": "strict.toml"}, "gil", "strict.toml"),
        (["-Xnogil-policy=strict.toml"], {"MODE": "off"}, "off", "strict.toml"),
        ([], {"POLICY": "off.toml"}, "off", "off.toml"),
    ],
)
def test_selection(
    tmp_path: Path,
    options: list[str],
    variables: dict[str, str],
    mode: str,
    chosen: str | None,
) -> None:
    write(tmp_path, 'mode = "strict-nogil"', "strict.toml")
    write(tmp_path, 'mode = "off"', "off.toml")
    write(tmp_path, "", "none.toml")
    settings = {f"PYTHONNOGIL_{name}": value for name, value in variables.items()}
    environment = clean_environment(**settings)
    done = run_python(*options, "-c", PRINT_POLICY, env=environment, cwd=tmp_path)
    file = str(tmp_path / chosen) if chosen else None
    # Children get the absolute path; a variable that was silenced stays what it was.
    variable = file or settings.get("PYTHONNOGIL_POLICY")
    assert done.lines() == [f"{mode} {file} {variable}"]


def test_no_file_is_picked_up_that_nobody_named(tmp_path: Path) -> None:
    for name in ("policy.toml", "pythonnogil.toml", ".pythonnogil.toml"):
        write(tmp_path, 'mode = "off"', name)
    done = run_python("-c", PRINT_POLICY, cwd=tmp_path)
    assert done.lines() == ["gil None None"]


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_children_have_the_policy(tmp_path: Path, method: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    program = tmp_path / "program.py"
    program.write_text(f"""
import multiprocessing, os, pythonnogil
from pythonnogil import _startup
def report():
    print(pythonnogil.mode(), _startup.policy_file(), flush=True)
if __name__ == "__main__":
    os.chdir("elsewhere")
    process = multiprocessing.get_context("{method}").Process(target=report)
    process.start()
    process.join()
""")
    file = write(tmp_path, 'mode = "strict-nogil"')
    done = run_python("-Xnogil-policy=policy.toml", program, cwd=tmp_path)
    assert done.lines() == [f"strict-nogil {file}"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["-X", "nogil-policy"], "-X nogil-policy needs a file; write -X nogil-policy=FILE"),
        (["-X", "nogil-policy="], "-X nogil-policy needs a file; write -X nogil-policy=FILE"),
        (
            ["-Xnogil-policy=a.toml", "-Xnogil-policy=b.toml"],
            "two policies at once: -X nogil-policy=a.toml and -X nogil-policy=b.toml; "
            "keep one of them",
        ),
        (
            ["-Xnogil-policy=absent.toml"],
            "{folder}/absent.toml: cannot be read: No such file or directory",
        ),
        (["-Xnogil-policy=."], "{folder}: cannot be read: Is a directory"),
        (
            ["-Xnogil-policy=wrong.toml"],
            '{folder}/wrong.toml:4:9: scope: unknown value "modul"; did you mean "module"?',
        ),
        (
            ["-Xnogil-policy=reading.toml"],
            '{folder}/reading.toml:5:11: readers: has no meaning beside scope = "object"; '
            "readers share the lock of scope process, group or module",
        ),
    ],
)
def test_a_bad_policy_ends_the_process(tmp_path: Path, options: list[str], line: str) -> None:
    write(tmp_path, rule("m", 'scope = "modul"'), "wrong.toml")
    write(tmp_path, rule("m", 'scope = "object"', 'readers = ["f"]'), "reading.toml")
    done = run_python(*options, "-c", "print('ran')", cwd=tmp_path)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr == f"pythonnogil: {line.format(folder=tmp_path)}\n"


@pytest.mark.parametrize(
    "scope", ["process", "group", "module", "object", "interpreter", "main-thread", "none"]
)
def test_all_scopes_are_supported(tmp_path: Path, scope: str) -> None:
    group = 'group = "g"' if scope == "group" else ""
    done = command("check", write(tmp_path, rule("m", f'scope = "{scope}"', group)))
    assert done.rc == 0, done.stderr


def test_shared_trust_is_supported(tmp_path: Path) -> None:
    file = write(tmp_path, rule("m", 'trust = "shared"', 'reason = "new code"'))
    done = command("check", file)
    assert done.rc == 0, done.stderr


# What the rules do.

IMPORT_ALL = """
import json, sys, pythonnogil
for name in sys.argv[1:]:
    try:
        __import__(name)
    except ImportError as error:
        print("refused", name, error)
for module in pythonnogil.modules():
    if module["name"] in sys.argv[1:]:
        print(json.dumps({key: module[key] for key in
            ("name", "verdict", "reason", "mode", "scope", "rule")}), module["entries"] > 0)
print("GIL", sys._is_gil_enabled())
"""


def import_all(policy: Path, folder: Path, *names: str, **settings: str) -> Finished:
    environment = clean_environment(PYTHONPATH=folder, **settings)
    words = ["-W", "always::ImportWarning", f"-Xnogil-policy={policy}", "-c", IMPORT_ALL]
    return run_python(*words, *names, env=environment)


def record(line: str) -> tuple[dict[str, str | None], bool]:
    """What IMPORT_ALL printed of a module, and whether it has guarded entries."""
    text, _, guarded = line.rpartition(" ")
    return json.loads(text), guarded == "True"


@pytest.mark.parametrize("name", ["declared", "declared_single"])
def test_a_distrusted_module_is_guarded(extensions: Path, tmp_path: Path, name: str) -> None:
    policy = write(tmp_path, rule(name, *DISTRUSTED))
    done = import_all(policy, extensions, name)
    described, has_entries = record(done.lines()[0])
    assert described == {
        "name": name,
        "verdict": "legacy",
        "reason": "distrusted",
        "mode": "gil",
        "scope": "process",
        "rule": f"{policy}:2",
    }
    assert has_entries
    assert done.lines()[-1] == "GIL False"
    assert (
        "it declares that it is safe without the GIL, but the policy distrusts it "
        f"({policy}:2: seen to race), so mode gil runs it under a lock"
    ) in done.stderr


@pytest.mark.parametrize("name", ["declared", "declared_single"])
@pytest.mark.parametrize("trust", ["distrusted", None])
def test_calls_of_a_distrusted_module_exclude_each_other(
    guarded: Stage, tmp_path: Path, name: str, trust: str | None
) -> None:
    policy = write(tmp_path, rule(name, *DISTRUSTED) if trust else "")
    report = guarded.check("distrusted.py", name, settings={"PYTHONNOGIL_POLICY": str(policy)})
    assert report["overlapped"] == (trust is None), report


@pytest.mark.parametrize("name", ["_testmultiphase", "_testcapi", "_decimal"])
def test_cpythons_own_extensions_can_be_distrusted(
    extensions: Path, tmp_path: Path, name: str
) -> None:
    if find_spec(name) is None:
        pytest.skip("this interpreter was built without it")
    policy = write(tmp_path, rule(name, *DISTRUSTED))
    done = import_all(policy, extensions, name)
    described, has_entries = record(done.lines()[0])
    assert (described["verdict"], described["reason"]) == ("legacy", "distrusted")
    assert has_entries
    assert done.lines()[-1] == "GIL False"


@pytest.mark.parametrize("name", ["declared", "declared_single"])
def test_strict_mode_refuses_a_distrusted_module(
    extensions: Path, tmp_path: Path, name: str
) -> None:
    policy = write(tmp_path, rule(name, *DISTRUSTED))
    done = import_all(policy, extensions, name, PYTHONNOGIL_MODE="strict-nogil")
    refusal, gil = done.lines()
    assert refusal.startswith(f"refused {name} strict-nogil refuses '{name}' (")
    assert (
        f"but the policy distrusts it ({policy}:2: seen to race); use a release that keeps what it "
        "declares, or run it under a lock with PYTHONNOGIL_MODE=gil" in refusal
    )
    assert gil == "GIL False"


@pytest.mark.parametrize("mode", ["gil", "strict-nogil"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("undeclared_multi", "undeclared"),
        ("explicit_used", "explicit"),
        ("static_counter", "single-phase"),
    ],
)
def test_a_trusted_module_is_left_alone(
    extensions: Path, tmp_path: Path, name: str, reason: str, mode: str
) -> None:
    policy = write(tmp_path, rule(name, *TRUSTED))
    done = import_all(policy, extensions, name, PYTHONNOGIL_MODE=mode)
    described, has_entries = record(done.lines()[0])
    assert described == {
        "name": name,
        "verdict": "trusted",
        "reason": reason,
        "mode": mode,
        "scope": "none",
        "rule": f"{policy}:2",
    }
    assert not has_entries
    assert done.lines()[-1] == "GIL False"
    assert done.stderr == ""


def test_a_module_can_have_a_mode_of_its_own(extensions: Path, tmp_path: Path) -> None:
    policy = write(
        tmp_path,
        'mode = "strict-nogil"\n'
        + rule("static_*", 'mode = "gil"')
        + rule("explicit_used", 'mode = "unsafe-nogil"'),
    )
    names = ("static_counter", "explicit_used", "undeclared_multi")
    done = import_all(policy, extensions, *names)
    refusal, counter, used, gil = done.lines()
    assert "refused undeclared_multi" in refusal
    assert "PYTHONNOGIL_MODE=gil or -X nogil-mode=gil" in refusal
    assert (record(counter)[0]["mode"], record(counter)[1]) == ("gil", True)
    assert (record(used)[0]["mode"], record(used)[1]) == ("unsafe-nogil", False)
    assert "unsafe import of 'explicit_used'" in done.stderr
    assert gil == "GIL False"


def test_a_refusal_by_a_rule_names_the_rule(extensions: Path, tmp_path: Path) -> None:
    policy = write(tmp_path, rule("undeclared*", 'mode = "strict-nogil"'))
    done = import_all(policy, extensions, "undeclared_multi", "static_counter")
    refusal, counter, gil = done.lines()
    assert refusal.endswith(f'under a lock with mode = "gil" in the rule {policy}:2')
    assert record(counter)[0]["mode"] == "gil"
    assert gil == "GIL False"


def test_mode_off_leaves_one_module_to_cpython(extensions: Path, tmp_path: Path) -> None:
    policy = write(tmp_path, rule("undeclared_multi", 'mode = "off"'))
    done = import_all(policy, extensions, "static_counter", "undeclared_multi")
    counter, gil = done.lines()
    assert record(counter)[0]["name"] == "static_counter"
    assert gil == "GIL True"
    assert "has been enabled to load module 'undeclared_multi'" in done.stderr


def test_with_the_gil_on_a_policy_only_refuses(extensions: Path, tmp_path: Path) -> None:
    policy = write(
        tmp_path, rule("undeclared_multi", 'mode = "strict-nogil"') + rule("declared", *DISTRUSTED)
    )
    names = ("static_counter", "declared", "undeclared_multi")
    done = import_all(policy, extensions, *names, PYTHON_GIL="1")
    refusal, gil = done.lines()
    assert refusal.startswith("refused undeclared_multi")
    assert gil == "GIL True"


def test_the_most_specific_rule_decides(extensions: Path, tmp_path: Path) -> None:
    policy = write(
        tmp_path,
        rule("*", 'mode = "strict-nogil"')
        + rule("static_counter", 'mode = "gil"')
        + rule("static*", 'mode = "unsafe-nogil"'),
    )
    done = import_all(policy, extensions, "static_counter")
    assert record(done.lines()[0])[0]["rule"] == f"{policy}:5"


# One file with two names, of which the one that is imported first is not guarded.
TWO_NAMES = """
import importlib.util, sys, pythonnogil
def load(name):
    spec = importlib.util.spec_from_file_location(name, sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
load("friends.undeclared_multi")
print(pythonnogil.modules()[-1]["verdict"])
try:
    load("strangers.undeclared_multi")
except ImportError as error:
    print(error)
print(sys._is_gil_enabled())
"""


@pytest.mark.parametrize(
    ("settings", "verdict"), [(TRUSTED, "trusted"), (('mode = "unsafe-nogil"',), "legacy")]
)
def test_what_is_loaded_unguarded_is_not_guarded_under_another_name(
    extensions: Path, tmp_path: Path, settings: tuple[str, ...], verdict: str
) -> None:
    policy = write(tmp_path, rule("friends.*", *settings))
    (file,) = extensions.glob("undeclared_multi.*.so")
    done = run_python(f"-Xnogil-policy={policy}", "-c", TWO_NAMES, file)
    first, refusal, gil = done.lines()
    assert (first, gil) == (verdict, "False")
    assert refusal.startswith(f"module 'strangers.undeclared_multi' ({file}) was loaded without")


# The policy that comes with the package.

PRINT_DECLARED = """
import declared, pythonnogil, sys
print([(module["verdict"], module["rule"]) for module in pythonnogil.modules()])
print(sys._is_gil_enabled())
"""


@pytest.fixture
def shipped(extensions: Path, tmp_path: Path) -> dict[str, str]:
    """An environment with a package whose own policy distrusts a fixture."""
    package = tmp_path / "pythonnogil"
    shutil.copytree(Path(pythonnogil.__file__).parent, package)
    write(package, rule("declared", *DISTRUSTED, 'link = "https://example.org"'))
    return clean_environment(PYTHONPATH=f"{tmp_path}:{extensions}")


def test_nobody_needs_to_ask_for_the_shipped_policy(
    shipped: dict[str, str], tmp_path: Path
) -> None:
    done = run_python("-c", PRINT_DECLARED, env=shipped)
    place = tmp_path / "pythonnogil" / "policy.toml"
    assert done.lines() == [f"[('legacy', '{place}:2')]", "False"]


@pytest.mark.parametrize(
    ("text", "verdict", "line"),
    [
        ("shipped = false", "declared", None),
        (rule("d*", "lock-arguments = false"), "legacy", 2),
        (rule("*", 'trust = "by-declaration"'), "declared", 2),
    ],
)
def test_the_shipped_policy_can_be_overruled(
    shipped: dict[str, str], tmp_path: Path, text: str, verdict: str, line: int | None
) -> None:
    policy = write(tmp_path, text)
    done = run_python(f"-Xnogil-policy={policy}", "-c", PRINT_DECLARED, env=shipped)
    place = f"'{policy}:{line}'" if line else None
    assert done.lines() == [f"[('{verdict}', {place})]", "False"]


def test_a_broken_shipped_policy_leaves_extensions_to_cpython(
    shipped: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "pythonnogil" / "policy.toml").write_text("version = 99")
    code = "import static_counter, sys; print(sys._is_gil_enabled())"
    done = run_python("-c", code, env=shipped)
    assert done.lines() == ["True"]
    assert "policy.toml:1:11: version: 99 is newer" in done.stderr
    assert "reinstall pythonnogil; extensions are left to CPython" in done.stderr


def test_the_real_one_distrusts_what_it_names() -> None:
    file = Path(pythonnogil.__file__).parent / "policy.toml"
    names = [line.split('"')[1] for line in file.read_text().splitlines() if "match =" in line]
    assert names
    for name in names:
        lines = command("explain", name).lines()
        assert lines[1].startswith(f"  {file}:") and lines[1].endswith("  decides")
        assert "  trust = distrusted" in lines
