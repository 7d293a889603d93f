"""The set-up library: what it says, what it refuses, and what it leaves behind."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

PREPARE = pathlib.Path(__file__).with_name("prepare.sh")
BUILDS = ("free-threaded", "with-gil", "thread-sanitizer")

pytestmark = pytest.mark.timeout(60)


def command(script: str) -> list[str]:
    """Return the command that sources the library and runs a script."""
    return ["bash", "-c", f'set -euo pipefail\nsource "{PREPARE}"\n{script}']


def environment(cache: pathlib.Path, **settings: str) -> dict[str, str]:
    """Return the environment for a script with a cache folder of its own."""
    return {**os.environ, "XDG_CACHE_HOME": str(cache), **settings}


def run(cache: pathlib.Path, script: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a script that uses the library."""
    return subprocess.run(
        command(script),
        env=environment(cache, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def start(cache: pathlib.Path, script: str) -> subprocess.Popen[str]:
    """Start a script that uses the library, and wait until it has said something."""
    process = subprocess.Popen(
        command(script), env=environment(cache), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def wait_until_ended(process_id: int) -> None:
    """Return when a process that is not our child is gone."""
    while pathlib.Path(f"/proc/{process_id}").exists():
        time.sleep(0.02)


def test_step_shows_progress_and_result(tmp_path: pathlib.Path) -> None:
    """A long step gives a sign of life."""
    script = "seconds_between_signs_of_life=0.2; step 'Resting (once)' sleep 1.5"
    lines = run(tmp_path, script).stdout.splitlines()
    assert lines[0] == "Resting (once) ..."
    assert "  Resting: 1 s so far" in lines
    assert lines[-1].startswith("  Resting: done in ")


def test_failed_step_shows_the_end_of_its_log(tmp_path: pathlib.Path) -> None:
    """The exit code comes back and the last 40 lines of the output are shown."""
    result = run(tmp_path, "step Counting bash -c 'seq 100; exit 7'")
    assert result.returncode == 7
    assert "  | 100" in result.stdout
    assert "  | 61" in result.stdout
    assert "  | 60" not in result.stdout
    assert str(tmp_path / "pythonnogil/logs/Counting.log") in result.stdout


def test_interrupted_step_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    """Ending the script ends the whole tree below the step and removes temporary folders."""
    note = tmp_path / "note"
    script = f"temporary_folder; step Waiting bash -c 'sleep 1000 & echo $! >{note}; wait'"
    process = start(tmp_path, script)
    while not note.exists() or not note.read_text():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    wait_until_ended(int(note.read_text()))
    assert not list((tmp_path / "pythonnogil").glob("temporary.*"))


def test_second_run_waits_for_the_first(tmp_path: pathlib.Path) -> None:
    """Two runs never work at the same time, and the one that waits says so."""
    first = start(tmp_path, f"say first; sleep 1; echo done >{tmp_path}/note")
    second = run(tmp_path, f"cat {tmp_path}/note")
    first.communicate(timeout=20)
    assert f"Another run (process {first.pid}) uses" in second.stdout
    assert second.stdout.endswith("done\n")


def test_killed_run_does_not_keep_the_next_one_waiting(tmp_path: pathlib.Path) -> None:
    """A step that outlives its script does not hold the lock, and leftovers are removed."""
    first = start(tmp_path, "temporary_folder; step Waiting sleep 3")
    first.kill()
    first.wait(timeout=20)
    second = run(tmp_path, 'say free; compgen -G "$cache_folder/temporary.*" || say clean')
    assert second.stdout == "free\nclean\n"


@pytest.mark.parametrize(
    ("build", "variable", "python", "reason"),
    [
        ("free-threaded", "PYTHON", "no-such-python", "command not found"),
        ("free-threaded", "PYTHON", "false", "is not Python"),
        ("with-gil", "PYTHON_WITH_GIL", "false", "is not Python"),
        ("with-gil", "PYTHON_WITH_GIL", sys.executable, "a build with the GIL is needed"),
        ("thread-sanitizer", "PYTHON_WITH_TSAN", sys.executable, "without --with-thread-sanitizer"),
    ],
)
def test_unfit_interpreter_is_refused(
    tmp_path: pathlib.Path, build: str, variable: str, python: str, reason: str
) -> None:
    """The variables never fall back to another interpreter."""
    result = run(tmp_path, f"interpreter {build}", **{variable: python})
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {variable}={python} does not fit: ")
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_fit_interpreter_is_taken(tmp_path: pathlib.Path) -> None:
    """PYTHON may name any free-threaded interpreter, by its path."""
    result = run(tmp_path, "interpreter; say $python_path", PYTHON=sys.executable)
    assert result.stdout.splitlines()[-1] == os.path.realpath(sys.executable)


def test_command_that_does_not_run_is_passed_over(tmp_path: pathlib.Path) -> None:
    """A version manager may have put a command first on the path that only says it cannot run."""
    script = "choose_build free-threaded; use_installed_interpreter; say $python_path"
    for folder, command_line in (("shims", "exit 127"), ("real", f'exec "{sys.executable}" "$@"')):
        file = tmp_path / folder / "python3.13t"
        file.parent.mkdir()
        file.write_text(f"#!/bin/sh\n{command_line}\n")
        file.chmod(0o755)
    path = f"{tmp_path / 'shims'}:{tmp_path / 'real'}:{os.environ['PATH']}"
    result = run(tmp_path, script, PATH=path)
    assert result.stdout == os.path.realpath(sys.executable) + "\n"


def test_source_is_fetched_once_for_all_builds(tmp_path: pathlib.Path) -> None:
    """The source package that one build has fetched serves the others."""
    script = """
        debian_archive() { echo archive; }
        fetch_python_source() { echo text >"$1/python3.13_3.13.99.orig.tar.xz"; }
        packages() { :; }
        compile_python() { exit 1; }
        choose_build BUILD
        build_interpreter
    """
    results = [run(tmp_path, script.replace("BUILD", build)) for build in BUILDS]
    assert "Fetching Debian's source package python3.13: done" in results[0].stdout
    assert not any("Fetching" in result.stdout for result in results[1:])
    for result, build in zip(results, BUILDS, strict=True):
        assert f"Building CPython 3.13.99, {build}: FAILED" in result.stdout
        assert f"could not build CPython 3.13.99 ({build}); name an inter" in result.stderr


def test_package_groups_are_known(tmp_path: pathlib.Path) -> None:
    """Each group of packages.txt that the scripts ask for has packages."""
    for group in ("project", "interpreter", "tests", "real", "browser"):
        assert run(tmp_path, f"package_names {group}").stdout.split()
    assert "gdb" not in run(tmp_path, "package_names project real").stdout.split()


def test_missing_packages_are_named(tmp_path: pathlib.Path) -> None:
    """Without the right to install, the error says what to install."""
    script = "missing_packages() { echo libgone-dev; }; can_be_root() { false; }; packages tests"
    result = run(tmp_path, script)
    assert result.returncode == 1
    assert "apt-get install libgone-dev" in result.stderr


def test_installed_packages_need_no_root(tmp_path: pathlib.Path) -> None:
    """A second run asks for nothing."""
    script = "as_root() { say asked; }; package_names() { echo bash; }; packages project; say done"
    assert run(tmp_path, script).stdout == "done\n"
