"""The scopes of a policy: who is excluded while legacy code runs, and who is not."""

from pathlib import Path

import pytest
from children import Stage
from policies import rule, write
from processes import Finished, clean_environment, run_python

pytestmark = pytest.mark.timeout(120)

GROUP_G = ('scope = "group"', 'group = "g"')
GROUP_H = ('scope = "group"', 'group = "h"')
SHARED = ('trust = "shared"', 'reason = "new code"')
READERS = 'readers = ["read", "read_detached", "Thing.look"]'

A = "scoped_a.write"
B = "scoped_b.write"
DECLARED = "scoped_declared.write"


def scope(name: str) -> tuple[str]:
    return (f'scope = "{name}"',)


def both(*settings: str) -> str:
    return rule("scoped_a", *settings) + rule("scoped_b", *settings)


# The policy, the threads, and the pairs of them that are inside at once; no others are.
CASES = {
    "process": ("", [A, A, B], []),
    "process and a module's own": (rule("scoped_b", *scope("module")), [A, A, B], [(2, 0), (2, 1)]),
    "declared code": ("", [A, DECLARED], [(1, 0)]),
    "module": (both(*scope("module")), [A, A, B], [(2, 0), (2, 1)]),
    "the same group": (both(*GROUP_G), [A, B], []),
    "another group": (rule("scoped_a", *GROUP_G) + rule("scoped_b", *GROUP_H), [A, B], [(1, 0)]),
    "the same receiver": (
        both(*scope("object")),
        ["scoped_a.1.work", "scoped_a.1.look"],
        [],
    ),
    "two receivers": (both(*scope("object")), ["scoped_a.1.work", "scoped_a.2.work"], [(1, 0)]),
    "no receiver": (both(*scope("object")), [A, "scoped_a.read"], []),
    "static methods": (both(*scope("object")), ["scoped_a.Thing.serve", A], []),
    "receivers and modules": (both(*scope("object")), ["scoped_a.1.work", A], [(1, 0)]),
    "readers": (both(READERS), ["scoped_a.read", "scoped_a.read"], [(1, 0)]),
    "readers that are methods": (
        both(READERS),
        ["scoped_a.1.look", "scoped_a.read", "scoped_a.1.look"],
        [(1, 0), (2, 0), (2, 1)],
    ),
    "readers and writers": (both(READERS), ["scoped_a.read", "scoped_a.read", B], [(1, 0)]),
    "readers of two modules": (both(READERS), ["scoped_a.read", "scoped_b.read"], [(1, 0)]),
    "readers that detached": (
        both(READERS),
        ["scoped_a.read_detached", "scoped_a.read_detached", "scoped_a.write"],
        [],
    ),
    "writers that detached": (
        both(READERS),
        ["scoped_a.write_detached", "scoped_a.read"],
        [],
    ),
    "shared trust": (
        rule("scoped_declared", *SHARED),
        [DECLARED, "scoped_declared.1.work", A],
        [(1, 0)],
    ),
    "none": (both(*scope("none")), [A, A, B], [(1, 0), (2, 0), (2, 1)]),
    "interpreter": (both(*scope("interpreter")), [A, A, B, DECLARED], []),
    "main-thread": (both(*scope("main-thread")), [A, A, B], []),
    "capsules": (both(*scope("module")), [A, B, "capsule=scoped_a,scoped_b"], []),
    "capsules at hand": (both(*scope("module")), [A, B, "take=scoped_a,scoped_b"], []),
    # The process domain stays what it is, also for modules that come later.
    "capsules and the process": (
        rule("scoped_b", *scope("module")) + rule("scoped_single", *scope("process")),
        [A, B, "capsule=scoped_a,scoped_b", "scoped_single.write"],
        [],
    ),
    "capsules and a group": (
        rule("scoped_a", *scope("module"))
        + rule("scoped_b", *GROUP_G)
        + rule("scoped_single", *GROUP_G),
        [A, B, "capsule=scoped_b,scoped_a", "scoped_single.write"],
        [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_inside_at_once(guarded: Stage, tmp_path: Path, case: str) -> None:
    rules, words, together = CASES[case]
    policy = write(tmp_path, rules)
    report = guarded.check("scopes.py", *words, settings={"PYTHONNOGIL_POLICY": str(policy)})
    assert {tuple(pair) for pair in report["pairs"] if pair[0] != pair[1]} == set(together), report


ALL_READERS = (
    'readers = ["read", "read_detached", "read_and_call", "read_and_drop"]',
    "lock-arguments = false",
)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("upgrade", ALL_READERS),
        ("upgrade_in_a_finalizer", ALL_READERS),
        ("nested_reads", ALL_READERS),
        ("stream_of_readers", ALL_READERS),
        ("collector", ALL_READERS),
        ("forks", ALL_READERS),
        ("pure_python runs", ()),
        ("pure_python waits", scope("interpreter")),
        ("main_thread joins", scope("main-thread")),
        ("main_thread sleeps", scope("main-thread")),
        ("arguments waits", ()),
        ("arguments grows", ("lock-arguments = false",)),
    ],
)
def test_case(guarded: Stage, tmp_path: Path, words: str, settings: tuple[str, ...]) -> None:
    policy = write(tmp_path, rule("scoped_a", *settings))
    options = ("-W", "ignore::DeprecationWarning")
    settings_of_run = {"PYTHONNOGIL_POLICY": str(policy)}
    guarded.check("scope_cases.py", *words.split(), options=options, settings=settings_of_run)


def run(extensions: Path, policy: Path, code: str, **settings: str) -> Finished:
    environment = clean_environment(PYTHONPATH=extensions, **settings)
    return run_python(f"-Xnogil-policy={policy}", "-c", code, env=environment)


IMPORT_TWICE = """
import importlib, sys
for _ in range(2):
    try:
        importlib.import_module({name!r})
    except ImportError as error:
        print(error)
    print({name!r} in sys.modules)
print(sys._is_gil_enabled())
"""


@pytest.mark.parametrize("name", ["scoped_a", "scoped_single"])
@pytest.mark.parametrize("reader", ["no_such", "Thing.no_such"])
def test_a_reader_that_does_not_exist(
    extensions: Path, tmp_path: Path, name: str, reader: str
) -> None:
    policy = write(tmp_path, rule(name, f'readers = ["read", "{reader}"]'))
    done = run(extensions, policy, IMPORT_TWICE.format(name=name))
    message = (
        f'{policy}:2: readers: module {name} has no function "{reader}"; '
        'name a function of the module, or a method as "Type.method"'
    )
    assert done.lines() == [message, "False", message, "False", "False"]


@pytest.mark.parametrize("name", ["scoped_a", "scoped_single"])
def test_only_a_declared_module_can_be_shared(extensions: Path, tmp_path: Path, name: str) -> None:
    policy = write(tmp_path, rule(name, *SHARED))
    done = run(extensions, policy, IMPORT_TWICE.format(name=name))
    message, in_modules, *again = done.lines()
    assert message.startswith(f"{policy}:2: trust: module '{name}' (")
    assert message.endswith('only a module that does can be "shared"; leave its trust out')
    assert [in_modules, *again] == ["False", message, "False", "False"]


def test_no_interpreter_scope_without_a_gil(extensions: Path, tmp_path: Path) -> None:
    policy = write(tmp_path, rule("scoped_a", *scope("interpreter")))
    done = run(extensions, policy, "import scoped_a", PYTHON_GIL="0")
    assert f"{policy}:2" in done.stderr and "PYTHON_GIL=0" in done.stderr
    assert done.rc == 2, done.stderr


def test_scope_none_warns(extensions: Path, tmp_path: Path) -> None:
    policy = write(tmp_path, rule("scoped_a", *scope("none")))
    code = "import scoped_a, sys; print(sys._is_gil_enabled())"
    done = run(extensions, policy, code)
    assert done.lines() == ["False"]
    assert "UnsafeExtensionWarning: unsafe import of 'scoped_a'" in done.stderr
    assert "and scope none runs it unguarded" in done.stderr


def test_capsules_are_logged(extensions: Path, tmp_path: Path) -> None:
    policy = write(tmp_path, both(*scope("module")))
    code = "import scoped_a, scoped_b; scoped_a.connect('scoped_b.api')"
    done = run(extensions, policy, code, PYTHONNOGIL_LOG="debug")
    line = "module scoped_a uses a capsule of scoped_b, so they form one group"
    assert done.lines() == [] and line in done.stderr


@pytest.mark.parametrize("name", ["process", "module", "object", "interpreter", "main-thread"])
def test_modules_says_scope_and_rule(extensions: Path, tmp_path: Path, name: str) -> None:
    policy = write(tmp_path, rule("scoped_a", *scope(name)))
    report = "[pythonnogil.modules()[-1][key] for key in ('scope', 'rule')]"
    code = f"import scoped_a, pythonnogil; print({report})"
    assert run(extensions, policy, code).lines() == [f"['{name}', '{policy}:2']"]
