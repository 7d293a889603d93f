"""Compares what `scan` says of files with what importing them really does."""

import json
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from children import SCRIPTS
from processes import clean_environment, run_python

# What the core's reason has to be for each static verdict.
REASONS = {
    "declared": {"declared"},
    "explicitly not": {"explicit"},
    "undeclared": {"undeclared", "single-phase"},
    "unknown until run": {"declared", "explicit", "undeclared", "single-phase"},
}
LIMIT = 120.0


def standard_extensions() -> Path:
    """The folder with the interpreter's own extensions."""
    return Path(sysconfig.get_path("stdlib")) / "lib-dynload"


def static_verdicts(*targets: Path, options: tuple[str, ...] = ()) -> dict[str, dict]:
    """What scan says, by path."""
    words = ["-m", "pythonnogil", "scan", "--json", *options, *map(str, targets)]
    done = run_python(*words, timeout=LIMIT)
    assert done.rc in (0, 1), done.stderr
    return {file["path"]: file for file in json.loads(done.stdout)["files"]}


def imported(
    files: dict[str, dict], root: Path | None = None, places: Iterable[Path] = ()
) -> dict[str, str]:
    """What importing the files does, by path. *places* are further folders to import from."""
    names = []
    for path, file in files.items():
        folder = Path(path).parent
        parts = folder.relative_to(root).parts if root else ()
        names.append((".".join([*parts, file["module"]]), path))
    done = run_python(
        str(SCRIPTS / "import_all.py"),
        env=clean_environment(
            PYTHONNOGIL_MODE="gil",
            PYTHONDONTWRITEBYTECODE="1",
            PYTHONPATH=os.pathsep.join(map(str, places)),
        ),
        input=json.dumps(names),
        timeout=LIMIT,
    )
    assert done.rc == 0, done.stderr
    return json.loads(done.stdout)


def disagreements(files: dict[str, dict], truth: dict[str, str]) -> list[str]:
    """A line for each file of which scan and the import say different things.

    A file that cannot be imported at all must be one that scan calls wrong, or fail for a reason
    that is not in the file: a library or module that is missing, or its own exec code.
    """
    lines = []
    for path, file in files.items():
        answer = truth[path]
        if file["verdict"] == "wrong ABI":
            agree = answer.startswith("ImportError: ")
        elif ": " in answer:
            agree = not any(word in answer for word in ("is built for", "object layout"))
        else:
            agree = answer in REASONS[file["verdict"]]
        if not agree:
            lines.append(f"{Path(path).name}: scan: {file['verdict']}; import: {answer}")
    return lines


def unknown(files: dict[str, dict]) -> set[str]:
    """The modules whose verdict is open."""
    return {file["module"] for file in files.values() if file["verdict"] == "unknown until run"}

