"""Reads suites.toml: which packages, how each is built, and how its own tests are run."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

CATALOGUE = Path(__file__).with_name("suites.toml")


@dataclass(frozen=True)
class Build:
    """How the extension modules of a package are built from its source distribution.

    Without commands of its own, by pip. The environment is added to that of the build; {folder}
    stands for the folder of the catalogue, {source} for the unpacked sources, {site} for the folder
    that the build fills, {work} for one to work in, {python} for the interpreter.
    """

    environment: dict[str, str] = field(default_factory=dict)
    constraints: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    replace: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """One package and its tests.

    pytest gets the arguments, or recorder.py if unittest is true; both run in the folder of the
    unpacked sources. The package is imported from the folder it was installed in, or, with
    in_place, from that folder of its sources, where its extension modules are put; the path names
    further folders of the sources that its tests import from. What it uses are packages of this
    catalogue. With postgresql, a server runs meanwhile; {server} in the environment of the tests
    stands for the folder of its socket. Entries that tests make, and that are not guarded for a
    reason, are named by their owners (patterns as in the shell). A test to leave out is one whose result also changes from run to run with the
    GIL, or that no test environment of ours can have; the reason stands beside it.
    """

    package: str
    version: str
    technology: str
    modules: list[str]
    arguments: list[str]
    in_place: str = ""
    path: list[str] = field(default_factory=list)
    unittest: bool = False
    uses: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    postgresql: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    leave_out: dict[str, str] = field(default_factory=dict)
    unguarded: dict[str, str] = field(default_factory=dict)
    limit: float = 120.0
    build: Build = field(default_factory=Build)

    @property
    def key(self) -> str:
        """Name what building depends on: a change of it builds the package again."""
        state = [self.package, self.version, self.requirements, self.in_place, asdict(self.build)]
        digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.package}-{self.version}-{digest}"


def read() -> list[Suite]:
    """Read the catalogue."""
    entries = tomllib.loads(CATALOGUE.read_text())["suite"]
    return [Suite(**{**entry, "build": Build(**entry.get("build", {}))}) for entry in entries]
