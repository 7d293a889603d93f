"""The GIL lease: the real GIL is on while it is pinned, and off again soon after."""

import json
from pathlib import Path

import pytest
from children import Stage
from processes import clean_environment, run_python

KINDS = (
    "on_and_off",
    "others_stand_still",
    "from_several_threads",
    "a_thousand_leases",
    "imports_meanwhile",
    "forks",
    "exit_while_pinned",
)

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("kind", KINDS)
def test_lease(guarded: Stage, kind: str) -> None:
    guarded.check("gil_lease.py", kind)


def test_others_run_without_a_lease(guarded: Stage) -> None:
    assert guarded.run("gil_lease.py", "others_run")["wrong"] > 0


CODE = """
import json, sys
import lease_user
from pythonnogil import _startup
lease_user.configure(_startup.original_create_dynamic)
answers = [lease_user.obstacle()]
try:
    lease_user.watch_held(1)
except RuntimeError as error:
    answers.append(str(error))
print(json.dumps(answers))
"""


@pytest.mark.parametrize(("options", "variable"), [([], "0"), (["-X", "gil=0"], None)])
def test_forced_off_is_a_clear_error(
    extensions: Path, options: list[str], variable: str | None
) -> None:
    settings = {"PYTHONPATH": extensions} | ({"PYTHON_GIL": variable} if variable else {})
    done = run_python(*options, "-c", CODE, env=clean_environment(**settings))
    obstacle, error = json.loads(done.lines()[-1])
    assert "is forced off (PYTHON_GIL=0 or -X gil=0)" in obstacle
    assert error == (
        "pythonnogil: the GIL cannot be turned on for a call into legacy code: "
        "the GIL is forced off (PYTHON_GIL=0 or -X gil=0)"
    )


def test_no_obstacle(extensions: Path) -> None:
    done = run_python("-c", CODE, env=clean_environment(PYTHONPATH=extensions))
    assert json.loads(done.lines()[-1]) == [None]
