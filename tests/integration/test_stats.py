"""What stats() says of calls whose number and times are known."""

from pathlib import Path
from typing import Any

import pytest
from children import Stage

NOTHING = {"total": 0.0, "p50": 0.0, "p99": 0.0, "p99.9": 0.0, "max": 0.0}
EXACT = 1 / 16  # how far a percentile may be off


def fixture(report: dict[str, Any]) -> dict[str, Any]:
    """What the report says of the fixture."""
    (module,) = (m for m in report["stats"]["modules"] if m["name"] == "timed_holds")
    return module


def function(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (f for f in fixture(report)["functions"] if f["name"] == name)
    return found


def test_nothing_is_recorded_unasked(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "off")
    assert report["stats"]["program"]["recording"] is False
    assert report["stats"]["memory"]["recorder_bytes"] == 0
    module = fixture(report)
    assert module["verdict"] == "legacy"
    assert module["scope"] == "process"
    assert module["domain"] == "process"
    assert module["entries"] == {"guarded": 7, "open": 0}
    assert module["calls"] == 0
    assert module["hold"] == module["wait"] == NOTHING
    assert module["longest_hold"] is module["longest_wait"] is None
    assert module["functions"] == []


def test_program(guarded: Stage) -> None:
    program = guarded.check("recorded.py", "holds")["stats"]["program"]
    assert program["recording"] is True
    assert program["gil_enabled"] is False
    assert program["mode"] == "gil"
    assert program["command"][-1] == "holds"
    assert program["python"].endswith(" free-threading")
    assert 0 < program["seconds"] < 100


def test_holds(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "holds")
    spin = function(report, "spin")
    assert spin["kind"] == "function"
    assert spin["calls"] == 200
    assert spin["waits"] == 0
    assert 50e-6 * (1 - EXACT) <= spin["hold"]["p50"] < 75e-6
    assert spin["hold"]["total"] >= 200 * 50e-6
    assert spin["hold"]["p50"] <= spin["hold"]["p99"] <= spin["hold"]["p99.9"]
    assert spin["hold"]["p99.9"] <= spin["hold"]["max"]
    assert function(report, "nothing")["calls"] == 600
    assert function(report, "nothing")["hold"]["p50"] < 5e-6
    method = function(report, "Thing.spin")
    assert method["calls"] == 20
    assert 500e-6 * (1 - EXACT) <= method["hold"]["p50"] < 700e-6
    died = function(report, "Thing.tp_dealloc")
    assert (died["kind"], died["calls"]) == ("deallocator", 20)


def test_one_c_function_under_two_names(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "names")
    assert function(report, "nothing")["calls"] == 5
    assert function(report, "nothing_too")["calls"] == 7


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("increment", 5),
        ("make_closure.<locals>.closure", 3),
        ("Animal.method", 2),
        ("Animal.nb_add", 4),
    ],
)
def test_functions_of_cython(guarded: Stage, extensions: Path, name: str, calls: int) -> None:
    if not list(extensions.glob("cython_fixture.*")):
        pytest.skip("cython_fixture is not built: there is no Cython")
    report = guarded.check("recorded.py", "cython")
    (module,) = (m for m in report["stats"]["modules"] if m["name"] == "cython_fixture")
    found = {function["name"]: function["calls"] for function in module["functions"]}
    assert found.get(name) == calls, found


def test_sums_of_a_module(guarded: Stage) -> None:
    module = fixture(guarded.check("recorded.py", "holds"))
    functions = module["functions"]
    assert module["calls"] == sum(f["calls"] for f in functions)
    assert module["hold"]["total"] == pytest.approx(sum(f["hold"]["total"] for f in functions))
    totals = [f["hold"]["total"] for f in functions]
    assert totals == sorted(totals, reverse=True)
    assert module["longest_hold"]["seconds"] == module["hold"]["max"]
    assert module["hold"]["max"] == max(f["hold"]["max"] for f in functions)


def test_recording_may_begin_after_the_import(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "started_late")
    assert function(report, "nothing")["calls"] == 7


def test_recording_stops(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "stopped")
    assert report["stats"]["program"]["recording"] is False
    assert function(report, "nothing")["calls"] == 7
    assert sum(module["calls"] for module in report["stats"]["modules"]) == 7


def test_wait(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "waits")
    waited = function(report, "nothing")
    assert waited["calls"] == 10
    assert waited["waits"] == 1
    assert waited["contended_share"] == 0.1
    assert 0.02 < waited["wait"]["max"] < 1
    assert waited["wait"]["total"] == waited["wait"]["max"]
    assert waited["wait"]["p50"] == pytest.approx(waited["wait"]["max"], rel=EXACT)
    over = waited["waits_over"]
    assert (over["1ms"], over["5ms"], over["16ms"]) == (1, 1, 1)
    assert over["100ms"] == int(waited["wait"]["max"] > 0.1)
    assert waited["hold"]["max"] < 0.02, "the wait was counted as hold"
    holder = function(report, "call")
    assert holder["waits"] == 0
    assert holder["hold"]["max"] >= 0.05
    assert fixture(report)["longest_wait"] == {
        "function": "nothing",
        "seconds": waited["wait"]["max"],
    }


def test_detached_time_is_no_hold(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "detached")
    assert function(report, "sleep_detached")["calls"] == 2
    assert function(report, "sleep_detached")["hold"]["max"] < 0.02
    assert function(report, "call")["hold"]["max"] < 0.02


def test_a_hold_contains_those_of_calls_inside(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "python_inside")
    assert function(report, "spin")["hold"]["max"] >= 0.05
    assert function(report, "call")["hold"]["max"] >= function(report, "spin")["hold"]["max"]


def test_wait_for_coming_back_from_a_detachment(guarded: Stage) -> None:
    waited = function(guarded.check("recorded.py", "wait_inside"), "sleep_detached")
    assert waited["waits"] == 1
    assert waited["wait"]["max"] > 0.02
    assert waited["hold"]["max"] < 0.02


def test_failing_calls_count(guarded: Stage) -> None:
    assert function(guarded.check("recorded.py", "raising"), "spin")["calls"] == 5


def test_threads_that_have_ended(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "threads")
    assert function(report, "nothing")["calls"] == 3 * 10 * 3 * 10


def test_child_of_a_fork_starts_from_zero(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "fork")
    assert report["child"] == "0 3"
    assert function(report, "nothing")["calls"] == 10


@pytest.mark.parametrize("scope", ["module", "object", "interpreter", "main-thread"])
def test_scopes(guarded: Stage, scope: str, tmp_path: Path) -> None:
    report = guarded.check(
        "recorded.py", "other_thread", settings=policy(tmp_path, f'scope = "{scope}"')
    )
    spin = function(report, "spin")
    assert fixture(report)["scope"] == scope
    assert spin["calls"] == 5
    assert 1e-3 * (1 - EXACT) <= spin["hold"]["p50"] < 5e-3
    if scope == "main-thread":
        assert spin["waits"] == 5


def test_readers(guarded: Stage, tmp_path: Path) -> None:
    settings = policy(tmp_path, 'readers = ["spin"]')
    spin = function(guarded.check("recorded.py", "other_thread", settings=settings), "spin")
    assert spin["calls"] == 5
    assert spin["waits"] == 0
    assert 1e-3 * (1 - EXACT) <= spin["hold"]["p50"] < 5e-3


def test_daemon_threads_at_the_end(guarded: Stage) -> None:
    report = guarded.check("recorded.py", "daemons")
    assert function(report, "Thing.tp_dealloc")["calls"] > 100


def policy(folder: Path, line: str) -> dict[str, str]:
    file = folder / "policy.toml"
    file.write_text(f'version = 1\n[[module]]\nmatch = "timed_holds"\n{line}\n')
    return {"PYTHONNOGIL_POLICY": str(file)}
