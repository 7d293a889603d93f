"""The trace of calls whose waits and holds are known."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from children import Stage
from processes import clean_environment, run_python

Event = dict[str, Any]


def trace(stage: Stage, file: Path, case: str, **settings: str) -> list[Event]:
    """The events of the trace that *case* leaves in *file*."""
    stage.check("traced.py", case, settings={"PYTHONNOGIL_TRACE": str(file), **settings})
    return events(file)


def events(file: Path) -> list[Event]:
    """All events of a trace that was ended."""
    read = json.loads(file.read_text())
    assert isinstance(read, list)
    return read


def named(found: list[Event], category: str, name: str) -> list[Event]:
    return [e for e in found if e.get("cat") == category and e["name"] == name]


def inside(inner: Event, outer: Event) -> bool:
    ends = [e["ts"] + e["dur"] for e in (inner, outer)]
    return outer["ts"] <= inner["ts"] and ends[0] <= ends[1] and inner["tid"] == outer["tid"]


def assert_nested(found: list[Event]) -> None:
    """Of two events of one thread, one is within the other or they do not overlap."""
    for tid in {e["tid"] for e in found}:
        stack: list[float] = []
        spans = [e for e in found if e["ph"] == "X" and e["tid"] == tid]
        for event in sorted(spans, key=lambda e: (e["ts"], -e["dur"])):
            end = event["ts"] + event["dur"]
            while stack and stack[-1] <= event["ts"] + 0.001:
                stack.pop()
            assert not stack or end <= stack[-1] + 0.001, event
            stack.append(end)


def test_holds(guarded: Stage, tmp_path: Path) -> None:
    found = trace(guarded, tmp_path / "trace.json", "holds")
    spins = named(found, "hold", "spin")
    assert len(spins) == 3
    assert all(2000 <= spin["dur"] < 50_000 for spin in spins)
    assert all(spin["args"] == {"module": "timed_holds"} for spin in spins)
    (method,) = named(found, "hold", "Thing.spin")
    assert method["dur"] >= 1000
    assert spins[-1]["ts"] + spins[-1]["dur"] <= method["ts"]
    assert not [e for e in found if e.get("cat") == "wait"]
    assert_nested(found)


def test_module_and_name_of_a_function_of_cython(
    guarded: Stage, extensions: Path, tmp_path: Path
) -> None:
    if not list(extensions.glob("cython_fixture.*")):
        pytest.skip("cython_fixture is not built: there is no Cython")
    found = trace(guarded, tmp_path / "trace.json", "cython")
    methods = named(found, "hold", "Animal.method")
    assert [method["args"] for method in methods] == [{"module": "cython_fixture"}] * 2


def test_nothing_is_traced_unasked(guarded: Stage, tmp_path: Path) -> None:
    guarded.check("traced.py", "holds")
    assert not list(tmp_path.iterdir())


def test_nested_calls(guarded: Stage, tmp_path: Path) -> None:
    found = trace(guarded, tmp_path / "trace.json", "nested")
    (spin,) = named(found, "hold", "spin")
    calls = named(found, "hold", "call")
    assert inside(spin, calls[0])
    sleeps = named(found, "hold", "sleep_detached")
    assert len(sleeps) == 2, "the sleep did not part the hold"
    assert sleeps[1]["ts"] - (sleeps[0]["ts"] + sleeps[0]["dur"]) >= 20_000
    assert_nested(found)


def test_wait(guarded: Stage, tmp_path: Path) -> None:
    found = trace(guarded, tmp_path / "trace.json", "waits")
    # It waits a little while attached, and then in earnest.
    *_, wait = named(found, "wait", "nothing")
    (hold,) = named(found, "hold", "nothing")
    assert 20_000 < wait["dur"] < 1_000_000
    assert wait["ts"] + wait["dur"] <= hold["ts"] + 0.001
    holder = [e for e in named(found, "hold", "call") if e["ts"] < wait["ts"] + wait["dur"]]
    assert holder[0]["ts"] < wait["ts"]
    assert holder[0]["tid"] != wait["tid"]
    names = {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}
    assert names[holder[0]["tid"]] == "the holder"
    assert names[wait["tid"]] == 'the "waiter"'
    assert "MainThread" in names.values()
    assert_nested(found)


def test_more_than_fits_into_memory(guarded: Stage, tmp_path: Path) -> None:
    found = trace(guarded, tmp_path / "trace.json", "many")
    assert len(named(found, "hold", "nothing")) == 3 * 5000
    assert found[-1]["name"] == "end of the trace"
    assert_nested(found)


def test_limit(guarded: Stage, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    found = trace(guarded, file, "many", PYTHONNOGIL_TRACE_LIMIT="300000")
    assert file.stat().st_size <= 300_000
    assert found[-1]["name"] == "truncated: 300000 bytes are the limit"
    assert named(found, "hold", "nothing")


def test_leases(guarded: Stage, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'version = 1\n[[module]]\nmatch = "timed_holds"\nscope = "interpreter"\n'
    )
    file = tmp_path / "trace.json"
    found = trace(guarded, file, "lease", PYTHONNOGIL_POLICY=str(policy))
    (spin,) = named(found, "hold", "spin")
    leases = named(found, "lease", "GIL lease")
    assert any(
        lease["ts"] <= spin["ts"] and spin["ts"] + spin["dur"] <= lease["ts"] + lease["dur"]
        for lease in leases
    )


@pytest.mark.parametrize("way", ["fork", "multiprocessing_fork"])
def test_forked_child_has_a_file_of_its_own(guarded: Stage, tmp_path: Path, way: str) -> None:
    parents = trace(guarded, tmp_path / "trace.json", way)
    assert named(parents, "hold", "nothing")
    assert not named(parents, "hold", "spin")
    (file,) = set(tmp_path.iterdir()) - {tmp_path / "trace.json"}
    childs = events(file)
    assert named(childs, "hold", "spin")
    assert not named(childs, "hold", "nothing")
    assert file.name == f"trace.{childs[0]['pid']}.json"


def test_spawned_child_has_a_file_of_its_own(guarded: Stage, tmp_path: Path) -> None:
    parents = trace(guarded, tmp_path / "trace.json", "spawn")
    assert named(parents, "hold", "nothing")
    (file,) = set(tmp_path.iterdir()) - {tmp_path / "trace.json"}
    assert named(events(file), "hold", "spin")


def test_process_in_the_name(guarded: Stage, tmp_path: Path) -> None:
    report = guarded.check(
        "traced.py", "holds", settings={"PYTHONNOGIL_TRACE": str(tmp_path / "of.%p.json")}
    )
    assert events(tmp_path / f"of.{report['pid']}.json")


def test_option(guarded: Stage, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    guarded.check("traced.py", "holds", options=("-X", f"nogil-trace={file}"))
    assert named(events(file), "hold", "spin")


def test_crashed_process_leaves_what_it_wrote(guarded: Stage, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    guarded.attempt("traced.py", "crash", settings={"PYTHONNOGIL_TRACE": str(file)})
    text = file.read_text()
    assert text.endswith(",\n")
    found = json.loads(text[:-2] + "]")
    assert 3 * 1024 <= len(named(found, "hold", "nothing")) < 5000


def test_daemon_threads_at_the_end(guarded: Stage, tmp_path: Path) -> None:
    found = trace(guarded, tmp_path / "trace.json", "daemons", PYTHONNOGIL_TRACE_LIMIT="3000000")
    assert named(found, "hold", "nothing")


@pytest.mark.parametrize("file", ["/dev/full", "/nowhere/trace.json"])
def test_file_that_cannot_be_written(guarded: Stage, file: str) -> None:
    outcome = guarded.attempt("traced.py", "many", settings={"PYTHONNOGIL_TRACE": file})
    assert outcome.rc == 0
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f"pythonnogil: warning: trace: cannot write {file}: ")
    assert line.endswith("; the program goes on without one")


def test_disk_that_fills_up_later(guarded: Stage, tmp_path: Path) -> None:
    """The limit of the size of files stands in for the disk."""
    file = tmp_path / "trace.json"
    code = (
        "import os, resource, runpy, signal, sys;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        "sys.argv[:] = sys.argv[1:]; sys.path.insert(0, os.path.dirname(sys.argv[0]));"
        "runpy.run_path(sys.argv[0])"
    )
    script = Path(__file__).parent / "scripts" / "traced.py"
    environment = clean_environment(
        PYTHONNOGIL_FIXTURES=guarded.fixtures, PYTHONNOGIL_TRACE=str(file)
    )
    done = run_python("-c", code, str(script), "many", env=environment, timeout=guarded.limit)
    assert done.rc == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"pythonnogil: warning: trace: cannot write {file}: File too large")
    text = file.read_text()
    assert named(json.loads(text[:-2] + "]"), "hold", "nothing")


@pytest.mark.parametrize(
    ("options", "settings", "complaint"),
    [
        (("-X", "nogil-trace"), {}, "-X nogil-trace needs a file; write -X nogil-trace=FILE"),
        (
            (),
            {"PYTHONNOGIL_TRACE": "trace.json", "PYTHONNOGIL_TRACE_LIMIT": "much"},
            'PYTHONNOGIL_TRACE_LIMIT is "much"; write a number of bytes',
        ),
    ],
)
def test_bad_values(
    tmp_path: Path, options: tuple[str, ...], settings: dict[str, str], complaint: str
) -> None:
    done = run_python(*options, "-c", "", env=clean_environment(**settings), cwd=tmp_path)
    assert done.rc == 2
    assert done.stderr == f"pythonnogil: {complaint}\n"


def test_probes() -> None:
    """What sys/sdt.h was there for when the core was built is in its notes."""
    core = run_python("-c", "import pythonnogil._core as c; print(c.__file__)").stdout.strip()
    if not any(os.path.exists(f"/usr/include/{d}sys/sdt.h") for d in ("", "x86_64-linux-gnu/")):
        pytest.skip("built without probes: sys/sdt.h is missing")
    notes = subprocess.run(
        ["readelf", "-n", core], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    for probe in ("hold_begin", "hold_end", "wait_begin", "wait_end"):
        (after,) = notes.split(f"Name: {probe}\n")[1:]
        assert "Provider: pythonnogil" in notes
        arguments = after.split("Arguments: ")[1].split("\n")[0].split()
        assert len(arguments) == (3 if probe.endswith("end") else 2)
        semaphore = after.split("Semaphore: ")[1].split("\n")[0]
        assert int(semaphore, 16) != 0
