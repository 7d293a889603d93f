"""Policies at run time: ``pythonnogil.install``, and the commands that check and explain them."""

from pathlib import Path

import pytest
from policies import DISTRUSTED, PRINT_POLICY, TRUSTED, command, rule, write
from processes import Finished, clean_environment, run_python

import pythonnogil


# At run time.


def test_install_takes_a_policy(extensions: Path, tmp_path: Path) -> None:
    policy = write(tmp_path, 'mode = "strict-nogil"\n' + rule("static_counter", *TRUSTED))
    write(tmp_path, "mode = 1", "bad.toml")
    code = """
import os, pathlib, pythonnogil
from pythonnogil import _startup
import explicit_used
try:
    pythonnogil.install(policy="bad.toml")
except ValueError as error:
    print(error)
print(pythonnogil.mode(), _startup.policy_file())
pythonnogil.install(policy="policy.toml")
os.chdir("/")
print(pythonnogil.mode(), _startup.policy_file())
import static_counter
try:
    import undeclared_multi
except ImportError as error:
    print("refused", error.name)
pythonnogil.install("gil")
import undeclared_multi
pythonnogil.install(policy=pathlib.Path(_startup.policy_file()))
print(pythonnogil.mode())
print([(module["verdict"], module["rule"]) for module in pythonnogil.modules()])
"""
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=extensions), cwd=tmp_path)
    assert done.lines() == [
        f"pythonnogil: {tmp_path}/bad.toml:2:8: mode: found an integer; write a string in quotes",
        "gil None",
        f"strict-nogil {policy}",
        "refused undeclared_multi",
        "gil",
        f"[('legacy', None), ('trusted', '{policy}:3'), ('legacy', None)]",
    ]


@pytest.mark.parametrize(("variable", "mode"), [("", "strict-nogil"), ("gil", "gil")])
def test_install_keeps_a_mode_that_was_asked_for(
    tmp_path: Path, variable: str, mode: str
) -> None:
    policy = write(tmp_path, 'mode = "strict-nogil"')
    code = "import sys, pythonnogil; pythonnogil.install(policy=sys.argv[1])"
    done = run_python(
        "-c",
        f"{code}; print(pythonnogil.mode())",
        policy,
        env=clean_environment(PYTHONNOGIL_MODE=variable),
    )
    assert done.lines() == [mode]


@pytest.mark.parametrize("options", [[], ["-S"]])
def test_run_takes_a_policy(tmp_path: Path, options: list[str]) -> None:
    policy = write(tmp_path, 'mode = "strict-nogil"')
    environment = clean_environment(PYTHONPATH=Path(pythonnogil.__file__).parents[1])
    words = [*options, "-m", "pythonnogil", "run", "--policy", "policy.toml", "-c", PRINT_POLICY]
    done = run_python(*words, env=environment, cwd=tmp_path)
    assert done.lines() == [f"strict-nogil {policy} {policy}"]


def test_run_takes_no_second_policy(tmp_path: Path) -> None:
    policy = write(tmp_path, "")
    other = write(tmp_path, "", "other.toml")
    words = ["-m", "pythonnogil", "run", f"--policy={other}", "-c", "print('ran')"]
    done = run_python(f"-Xnogil-policy={policy}", *words)
    assert (done.rc, done.stdout) == (2, "")
    assert done.stderr == (
        f"pythonnogil: two policies at once: -X nogil-policy={policy} and --policy {other}; "
        "keep one of them\n"
    )


# The commands.


@pytest.mark.parametrize("options", [(), ("-I",), ("-S",), ("-I", "-S")])
def test_check(tmp_path: Path, options: tuple[str, ...]) -> None:
    if "-S" in options:
        site = str(Path(pythonnogil.__file__).parents[1])
        start = f"import sys; sys.path.append({site!r}); from pythonnogil._command_line import main"
        words = ["-c", f"{start}; sys.exit(main(['policy', 'check', sys.argv[1]]))"]
    else:
        words = ["-m", "pythonnogil", "policy", "check"]
    one = write(tmp_path, rule("a", *TRUSTED))
    assert run_python(*options, *words, one).lines() == [f"{one}: 1 rule, no errors"]
    none = write(tmp_path, "")
    assert run_python(*options, *words, none).lines() == [f"{none}: 0 rules, no errors"]
    bad = write(tmp_path, rule("a", 'trsut = "trusted"'))
    assert run_python(*options, *words, bad) == Finished(
        2,
        "",
        f'pythonnogil: {bad}:4:1: unknown key "trsut" in [[module]]; did you mean "trust"?\n',
    )


def test_explain(tmp_path: Path) -> None:
    policy = write(
        tmp_path,
        rule("*", 'mode = "unsafe-nogil"')
        + rule("zttp.*", 'readers = ["lookup", "Table.get"]', "lock-arguments = false"),
    )
    done = command("explain", "zttp._zttp", "--policy", policy, options=("-I",))
    lines = done.lines()
    assert lines[:2] == [
        "Rules that match zttp._zttp, the most specific first:",
        f'  {policy}:5  match = "zttp.*"  decides',
    ]
    assert lines[2] == f'  {policy}:2  match = "*"'
    assert "policy.toml:" in lines[3]
    assert lines[3].endswith("decides on trust, of which the first says nothing")
    assert lines[5].strip().startswith("https://")
    assert lines[6:] == [
        "",
        "Decision: it is guarded in scope process, whatever it declares.",
        "  mode = gil, which is that of the process",
        "  scope = process",
        "  readers = Table.get, lookup",
        "  trust = distrusted",
        "  lock-arguments = false",
    ]


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ((), "guarded in scope process, unless it declares that it is safe"),
        (('mode = "strict-nogil"',), "refused, unless it declares that it is safe"),
        (('mode = "strict-nogil"', *DISTRUSTED), "refused, whatever it declares"),
        (('mode = "unsafe-nogil"',), "loaded unguarded, with a warning, unless it declares"),
        (('mode = "off"',), "left to CPython"),
        (TRUSTED, "loaded unguarded, whatever it declares"),
        (DISTRUSTED, "guarded in scope process, whatever it declares"),
    ],
)
def test_explain_tells_the_outcome(
    tmp_path: Path, settings: tuple[str, ...], outcome: str
) -> None:
    policy = write(tmp_path, rule("m", *settings))
    done = command("explain", f"--policy={policy}", "m")
    assert f"\nDecision: it is {outcome}" in done.stdout


def test_explain_takes_the_policy_in_force(tmp_path: Path) -> None:
    policy = write(tmp_path, 'mode = "strict-nogil"\n' + rule("m"))
    for how in (
        command("explain", "m", options=(f"-Xnogil-policy={policy}",)),
        command("explain", "m", env=clean_environment(PYTHONNOGIL_POLICY=policy)),
    ):
        assert f'  {policy}:3  match = "m"  decides' in how.lines()
        assert "  mode = strict-nogil, which is that of the process" in how.lines()
    assert command("explain", "m").lines()[0] == "No rule matches m."


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "policy: no action given; write check FILE or explain MODULE"),
        (["chekc"], "policy: unknown action chekc; write check FILE or explain MODULE"),
        (["check"], "policy check: give one FILE"),
        (["check", "a", "b"], "policy check: give one FILE"),
        (["check", "--policy", "a"], "policy check: unknown option --policy"),
        (["explain"], "policy explain: give one MODULE"),
        (["explain", "m", "--policy"], "policy explain: --policy needs a value"),
        (["explain", "m", "--poilcy=a"], "policy explain: unknown option --poilcy=a"),
        (
            ["explain", "m", "--policy=/nowhere"],
            "/nowhere: cannot be read: No such file or directory",
        ),
    ],
)
def test_wrong_use(words: list[str], line: str) -> None:
    assert command(*words) == Finished(2, "", f"pythonnogil: {line}\n")


def test_help() -> None:
    assert command("--help").lines()[0] == (
        "Check a policy file, or explain what the policy decides for a module."
    )


@pytest.mark.parametrize("words", ["check {}", "explain m --policy {}"])
def test_the_commands_do_without_a_standard_output(tmp_path: Path, words: str) -> None:
    policy = write(tmp_path, rule("m"))
    code = """
import os, subprocess, sys
os.close(1)
sys.exit(subprocess.call([sys.executable, "-m", "pythonnogil", "policy", *sys.argv[1:]]))
"""
    done = run_python("-c", code, *words.format(policy).split())
    assert (done.rc, done.stderr) == (0, "")
