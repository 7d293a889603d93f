"""What is known of the GIL of this process, and of the extensions that may have turned it on.

CPython keeps no record of who turned the GIL on. But only an extension that the hook has not seen
can have done it, and its file tells what it declares.
"""

import importlib.machinery
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass

import pythonnogil
from pythonnogil import _distribution, _startup

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
_CANNOT_TURN_IT_ON = ("declared", "wrong ABI")


@dataclass(frozen=True)
class Extension:
    """A loaded extension that the hook has not seen; the verdict is what ``scan`` finds."""

    name: str
    path: str
    distribution: str | None
    verdict: str

    def __str__(self) -> str:
        origin = f" from {self.distribution}" if self.distribution else ""
        return f"{self.name} ({self.path}){origin}"

    def may_turn_gil_on(self) -> bool:
        """Whether CPython turns the GIL on for it, as far as its file tells."""
        return self.verdict not in _CANNOT_TURN_IT_ON


def request() -> str | None:
    """The option or variable that decides about the GIL, as it was written, if there is one."""
    if "gil" in sys._xoptions:
        return f"-X gil={sys._xoptions['gil']}"
    variable = _startup.variable("PYTHON_GIL")
    return f"PYTHON_GIL={variable}" if variable else None


def is_on_by_request() -> bool:
    """Whether the GIL is on from the start: by the build, an option or a variable."""
    return not FREE_THREADED or (request() or "").endswith("=1")


def examine(name: str, path: str) -> Extension:
    """The extension *name* from the file *path*, with the verdict on the file."""
    owner = _distribution.owner_of(path, sys.path)
    return Extension(name, path, str(owner) if owner else None, _verdict(path))


def seen_by_hook() -> set[tuple[str, str]]:
    """Name and path of each extension that did not go past the hook."""
    return {(info["name"], info["path"]) for info in pythonnogil.modules()}


def unseen() -> list[Extension]:
    """The loaded extensions that the hook has not seen, but for CPython's own and ours."""
    seen = seen_by_hook()
    return [examine(name, path) for name, path in _loaded() if (name, path) not in seen]


def _loaded() -> Iterator[tuple[str, str]]:
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if not isinstance(
            getattr(spec, "loader", None), importlib.machinery.ExtensionFileLoader
        ):
            continue
        name, path = str(spec.name), str(spec.origin)
        if name != "pythonnogil._core" and not pythonnogil._is_of_cpython(name, path):
            yield name, path


def _verdict(path: str) -> str:
    try:
        from pythonnogil import _scan

        with open(path, "rb") as stream:
            finding = _scan.examine_file(path, stream.read())
    except (ImportError, OSError, ValueError) as error:
        return f"cannot be read: {error}"
    return str(finding.verdict) if finding is not None else "unknown until run"
