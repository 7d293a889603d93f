"""Legacy code that hands functions to numpy; a fixture plays numpy's part."""

from pathlib import Path

import policies
import pytest
from children import Stage

WAYS = ["data", "signature", "identity", "register", "register_descr", "replace"]
SCOPES = ["process", "module", "object", "main-thread"]


@pytest.mark.parametrize("way", WAYS)
def test_loop_of_a_ufunc(guarded: Stage, way: str) -> None:
    """numpy, which needs no guard, calls it by the pointer that it got from a function of its own."""
    guarded.check("ufunc_loops.py", way, "attached")


@pytest.mark.parametrize("way", WAYS)
def test_loop_of_a_ufunc_control(unguarded: Stage, way: str) -> None:
    unguarded.assert_hazard("ufunc_loops.py", way, "attached")


@pytest.mark.parametrize("scope", SCOPES)
def test_detached_loop_of_a_ufunc(guarded: Stage, tmp_path: Path, scope: str) -> None:
    """It must not wait for anything: where there is a GIL it runs without it."""
    rule = policies.rule("ufunc_maker", f'scope = "{scope}"')
    settings = {"PYTHONNOGIL_POLICY": str(policies.write(tmp_path, rule))}
    report = guarded.check("ufunc_loops.py", "data", "detached", settings=settings)
    assert report["met"]


@pytest.mark.parametrize(("how", "calls"), [("attached", 100), ("detached", 0)])
def test_recorded_loop_of_a_ufunc(guarded: Stage, how: str, calls: int) -> None:
    """Only a call that is guarded is recorded."""
    assert guarded.check("ufunc_loops.py", "recorded", how)["calls"] == calls
