"""The children in which the benchmark measures."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

# How a child treats legacy modules. In the last one the import turns the GIL on.
GUARDED = {"PYTHONNOGIL_MODE": "gil"}
UNGUARDED = {"PYTHONNOGIL_MODE": "off", "PYTHON_GIL": "0"}
STOCK = {"PYTHONNOGIL_MODE": "off", "PYTHONWARNINGS": "ignore"}


def run(program: str, *arguments: str, **environment: str) -> str:
    """The output of a child, Python for the most part; its failure is ours."""
    child = subprocess.run(
        [program, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if child.returncode:
        sys.exit(f"{' '.join(child.args)} failed:\n{child.stdout}{child.stderr}")
    return child.stdout


def run_script(name: str, *arguments: str, **environment: str) -> str:
    """The output of one of the scripts beside this one."""
    return run(sys.executable, str(HERE / name), *arguments, **environment)


class Worker:
    """A script that stays, and answers each line of JSON with one."""

    def __init__(self, script: str, *arguments: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, *question: object) -> Any:
        assert self._process.stdin and self._process.stdout
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            self._process.kill()
            sys.exit(f"{' '.join(self._process.args)} failed with {self._process.wait()}")

    def end(self) -> None:
        self._process.communicate(timeout=60)


@contextmanager
def workers(*started: Worker) -> Iterator[tuple[Worker, ...]]:
    try:
        yield started
    finally:
        for worker in started:
            worker.end()
