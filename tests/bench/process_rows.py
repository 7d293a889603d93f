"""Whole processes: threads beside legacy modules, start-up and imports."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from children import GUARDED, STOCK, UNGUARDED, run, run_script
from measure import compare
from rows import ratio_row, throughput_row

ROUNDS_OF_LOOP = "1500000"
# Long enough that legacy calls at such a distance count.
ROUNDS_OF_LONG_LOOP = "8000000"
SECONDS_BETWEEN_CALLS = "0.01"

LEASED = """
version = 1
[[module]]
match = "interpreter_calls"
scope = "interpreter"
"""


def threads(expected_gil: str, environment: dict[str, str], *arguments: str) -> float:
    seconds, gil = run_script("python_threads.py", *arguments, **environment).split()
    if gil != expected_gil:
        sys.exit(f"python_threads.py ran with the GIL in the wrong state: {gil} with {environment}")
    return float(seconds)


def thread_rows(rounds: int) -> Iterator[str]:
    arguments = ("legacy_calls", ROUNDS_OF_LOOP)
    yield throughput_row(
        "two pure-Python threads with a guarded module loaded / the same under `PYTHON_GIL=0` "
        "without us, throughput",
        compare(
            lambda: threads("0", GUARDED, *arguments),
            lambda: threads("0", UNGUARDED, *arguments),
            rounds,
        ),
        ">= 0.97",
        "ms",
    )
    yield throughput_row(
        "the same / stock CPython, where the import turned the GIL on, throughput",
        compare(
            lambda: threads("0", GUARDED, *arguments),
            lambda: threads("1", STOCK, *arguments),
            rounds,
        ),
        ">= 1.8",
        "ms",
    )
    yield leased_row(rounds)


def leased_row(rounds: int) -> str:
    arguments = ("interpreter_calls", ROUNDS_OF_LONG_LOOP, SECONDS_BETWEEN_CALLS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "policy.toml")
        file.write_text(LEASED)
        leased = GUARDED | {"PYTHONNOGIL_POLICY": str(file)}
        comparison = compare(
            lambda: threads("0", leased, *arguments),
            lambda: threads("1", STOCK, *arguments),
            rounds,
        )
    return throughput_row(
        "two pure-Python threads and a legacy call each 10 ms in scope `interpreter` / stock "
        "CPython with its GIL on, throughput",
        comparison,
        ">= 1.5",
        "ms",
    )


def start_up_seconds(python: str, starts: int = 10) -> float:
    begin = time.perf_counter()
    for _ in range(starts):
        run(python, "-c", "pass", PYTHONNOGIL_MODE="")
    return (time.perf_counter() - begin) / starts


def bare_environment(folder: Path, with_hook: bool) -> str:
    """The Python of a new virtual environment with nothing in it, or with our package alone."""
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = str(folder / "bin" / "python")
    if with_hook:
        installed = Path(
            run(sys.executable, "-c", "import pythonnogil; print(pythonnogil.__path__[0])").strip()
        )
        site = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])").strip())
        shutil.copytree(installed, site / "pythonnogil")
        for start_up in installed.parent.glob("pythonnogil.*t*"):
            if start_up.is_file():
                shutil.copy(start_up, site)
        # As an installer does: without, a process that may not write byte code compiles it at each
        # start.
        run(python, "-m", "compileall", "-q", str(site / "pythonnogil"))
        check = "import sys; assert 'pythonnogil' in sys.modules, 'the hook did not start'"
        run(python, "-c", check)
    return python


def start_up_row(rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        hooked = bare_environment(Path(folder, "hooked"), with_hook=True)
        bare = bare_environment(Path(folder, "bare"), with_hook=False)
        comparison = compare(
            lambda: start_up_seconds(hooked), lambda: start_up_seconds(bare), rounds * 3
        )
    name = "start-up with the hook and no legacy module / without the hook"
    return ratio_row(name, comparison, "<= 1.05", "ms")


def import_seconds(mode: str, module: str, *before: str) -> float:
    environment = {"PYTHONNOGIL_MODE": mode, "PYTHONWARNINGS": "ignore"}
    return float(run_script("timed_import.py", module, *before, **environment))


def import_rows(rounds: int) -> Iterator[str]:
    """Imports of small modules, where what does not depend on their size shows most.

    CPython turns the GIL on and off again around every init function when the GIL is off, so a
    declared module is the floor: a stock process whose GIL came on for good is spared that.
    """
    cases = (
        (
            "first import of a legacy module, guarded / stock",
            ["legacy_calls"],
            ["legacy_calls"],
            "<= 1.0",
        ),
        (
            "further import of a legacy module, guarded / stock, where the GIL is on by then",
            ["static_counter", "legacy_calls"],
            ["static_counter", "legacy_calls"],
            "<= 1.0",
        ),
        (
            "further import of a legacy module, guarded / stock import of a declared one, GIL off",
            ["legacy_calls", "static_counter"],
            ["declared_calls", "declared"],
            "",
        ),
    )
    for name, left, right, target in cases:
        comparison = compare(
            lambda: import_seconds("gil", *left), lambda: import_seconds("off", *right), rounds
        )
        yield ratio_row(name, comparison, target, "ms")


def rows(rounds: int) -> Iterator[str]:
    yield from thread_rows(rounds)
    yield start_up_row(rounds)
    yield from import_rows(rounds * 2)
