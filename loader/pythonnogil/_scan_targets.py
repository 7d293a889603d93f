"""Finds the files that a scan is to read: in folders, wheels, installed packages, the environment.

Nothing is imported for it.
"""

import importlib.machinery
import importlib.metadata
import os
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pythonnogil._usage import UsageError

_ARCHIVES = (".whl", ".zip", ".egg")
# More than any extension has; a wheel can claim any size.
_MEMBER_LIMIT = 4 << 30


@dataclass(frozen=True)
class Candidate:
    """A file that may be an extension."""

    path: str
    read: Callable[[], bytes]
    root: str  # the folder from which the module is imported, if known
    archive: str = ""  # the wheel that it is in


def candidates(target: str) -> list[Candidate]:
    """The files of a target on the command line: a path, or the name of a package."""
    if os.path.exists(target) or os.sep in target:
        return list(_at_path(target))
    found = list(_of_distribution(target)) or list(_of_module(target))
    if not found and not _exists(target):
        raise UsageError(f"scan: {target} is neither a path nor an installed package")
    return found


def environment() -> list[Candidate]:
    """The files of this interpreter's search path, its own extensions among them."""
    paths = sys.path if sys.flags.safe_path else sys.path[1:]
    skipped = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return [
        candidate
        for path in dict.fromkeys(paths)
        if os.path.isdir(path) and path not in skipped
        for candidate in _in_folder(path)
    ]


def _at_path(path: str) -> Iterator[Candidate]:
    if os.path.isdir(path):
        yield from _in_folder(path)
    elif path.endswith(_ARCHIVES):
        yield from _in_archive(path)
    else:
        yield _file(path, os.path.dirname(path))


def _in_folder(root: str) -> Iterator[Candidate]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".so"):
                yield _file(path, root)
            elif name.endswith(".whl"):
                yield from _in_archive(path)


def _in_archive(path: str) -> Iterator[Candidate]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item.filename for item in archive.infolist() if not item.is_dir()]
    except (OSError, zipfile.BadZipFile):
        # Reading it tells what is wrong.
        yield Candidate(path, _member_reader(path, ""), "")
        return
    for name in sorted(names):
        if name.endswith(".so"):
            yield Candidate(f"{path}/{name}", _member_reader(path, name), path, path)


def _member_reader(path: str, name: str) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with zipfile.ZipFile(path) as archive:
                if archive.getinfo(name).file_size > _MEMBER_LIMIT:
                    raise OSError("it claims to be larger than any extension")
                return archive.read(name)
        except OSError:
            raise
        except Exception as error:
            # What zipfile and the decompressors raise for damaged data is of many types.
            raise OSError(f"cannot be read as a wheel: {error}") from error

    return read


def _file(path: str, root: str) -> Candidate:
    def read() -> bytes:
        with open(path, "rb") as stream:
            return stream.read()

    return Candidate(path, read, root)


def _of_distribution(name: str) -> Iterator[Candidate]:
    try:
        distribution = importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return
    root = str(distribution.locate_file(""))
    for file in sorted(map(str, distribution.files or ())):
        if file.endswith(".so"):
            path = str(distribution.locate_file(file))
            if os.path.exists(path):
                yield _file(path, root)


def _of_module(name: str) -> Iterator[Candidate]:
    """The files of an importable package, or the one of a module; parents are not imported."""
    first, *rest = name.split(".")
    spec = importlib.machinery.PathFinder.find_spec(first)
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if not rest and spec.origin is not None and spec.origin.endswith(".so"):
            yield _file(spec.origin, os.path.dirname(spec.origin))
        return
    for location in spec.submodule_search_locations:
        root = os.path.dirname(location)
        wanted = os.path.join(root, *name.split("."))
        for candidate in _in_folder(location):
            if candidate.path.startswith((f"{wanted}.", f"{wanted}{os.sep}")):
                yield _file(candidate.path, root)


def _exists(name: str) -> bool:
    """Whether something without extensions goes by this name."""
    if name in sys.builtin_module_names:
        return True
    try:
        importlib.metadata.distribution(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return importlib.machinery.PathFinder.find_spec(name.partition(".")[0]) is not None
    return True
