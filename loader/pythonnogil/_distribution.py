"""Finds the installed distribution that a file belongs to.

importlib.metadata can tell too, but loads some forty modules, several of them extensions, and that
in the middle of an import.
"""

import os
from collections.abc import Iterable


class Distribution:
    """The name and version of an installed distribution."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def owner_of(path: str, search_path: Iterable[str]) -> Distribution | None:
    """The distribution in *search_path* whose RECORD lists the file *path*, if there is one."""
    for root in search_path:
        prefix = os.path.join(root, "")
        if root and path.startswith(prefix):
            found = _owner_below(root, path.removeprefix(prefix))
            if found is not None:
                return found
    return None


def _owner_below(root: str, relative_path: str) -> Distribution | None:
    try:
        names = os.listdir(root)
    except OSError:
        return None
    for name in names:
        stem = name.removesuffix(".dist-info")
        if stem != name and _lists(os.path.join(root, name, "RECORD"), relative_path):
            project, _, version = stem.partition("-")
            return Distribution(project, version)
    return None


def _lists(record: str, relative_path: str) -> bool:
    entry = relative_path.replace(os.sep, "/") + ","
    try:
        with open(record, encoding="utf-8", errors="replace") as lines:
            return any(line.startswith(entry) for line in lines)
    except OSError:
        return False
