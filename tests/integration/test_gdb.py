"""A debugger that stops in guarded code sees through the guard to the interpreter and to main."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "scripts" / "stop_inside.py"
ORDERS = [
    "set breakpoint pending on",
    "set debuginfod enabled off",
    "break count_once",
    "run",
    "bt",
    "kill",
]
# One frame of a backtrace: its number, perhaps an address, its function, the rest.
FRAME = re.compile(r"#\d+\s+(?:0x[0-9a-f]+ in )?(\S+)(.*)")


def backtrace(extensions: Path) -> tuple[list[tuple[str, str]], str]:
    """The frames inside legacy code, innermost first, as function and rest; and all gdb said."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONNOGIL_FIXTURES": str(extensions), "PYTHONNOGIL_TEST_LIMIT": "100"}
    command = ["gdb", "-nx", "-batch", "-iex", "set auto-load off"]
    for order in ORDERS:
        command += ["-ex", order]
    command += ["--args", sys.executable, str(SCRIPT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    matches = map(FRAME.match, done.stdout.splitlines())
    return [(match[1], match[2]) for match in matches if match], done.stdout


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_backtrace_from_guarded_code(extensions: Path) -> None:
    frames, said = backtrace(extensions)
    functions = [function for function, _ in frames]
    assert functions[:2] == ["count_once", "increment"], said
    # By name, or by file where the names were stripped.
    assert any("pythonnogil" in function + rest for function, rest in frames[2:5]), said
    assert "_PyEval_EvalFrameDefault" in functions, said
    assert functions[-1] in ("main", "_start", "__libc_start_main_impl"), said
    assert "corrupt stack" not in said
