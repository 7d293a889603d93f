"""The scopes of a policy: who is excluded while legacy code runs, and who is not."""

from pathlib import Path

import pytest
from children import Stage
from policies import rule, write

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
