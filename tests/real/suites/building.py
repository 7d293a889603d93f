"""Builds the package of a suite from its source distribution, once, into the cache folder."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from catalogue import Suite, read

LIMIT = 1800.0
# A function that is used without a declaration would return a truncated pointer. Less optimisation
# makes large generated files build in a fraction of the time.
FLAGS = "-O1 -w -Werror=implicit-function-declaration"


class BuildError(Exception):
    """A package could not be built; the text says where it failed and where the output is."""


@dataclass(frozen=True)
class Built:
    """A suite that is ready to run: its unpacked sources, the folders to import from, a server."""

    source: Path
    site: Path
    used: list[Path]
    server: str = ""


class Workshop:
    """One build in a folder of its own, which becomes the result when all went well."""

    def __init__(self, suite: Suite, folder: Path, log: Path) -> None:
        """Prepare to build *suite* below *folder*."""
        self._suite = suite
        self._folder = folder
        self._log = log
        self._names = {
            "folder": str(Path(__file__).parent),
            "source": str(folder / "source"),
            "site": str(folder / "site"),
            "work": str(folder / "work"),
            "python": sys.executable,
        }

    def _run(self, *command: str, environment: dict[str, str] | None = None) -> None:
        with self._log.open("a") as log:
            print("$", *command, file=log, flush=True)
            done = subprocess.run(
                command,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=LIMIT,
            )
        if done.returncode:
            raise BuildError(f"{command[0]} ended with {done.returncode}; see {self._log}")

    def _pip(self, *arguments: str, **how: dict[str, str]) -> None:
        options = ["--disable-pip-version-check", "--no-input"]
        self._run(sys.executable, "-m", "pip", *options, *arguments, **how)

    def _environment(self) -> dict[str, str]:
        """Settings of the build; pip's are there because a download runs the package's setup."""
        constraints = self._folder / "constraints.txt"
        constraints.write_text("".join(f"{line}\n" for line in self._suite.build.constraints))
        own = self._suite.build.environment
        settings = {name: value.format_map(self._names) for name, value in own.items()}
        for name in ("CFLAGS", "CXXFLAGS"):
            settings[name] = f"{FLAGS if name == 'CFLAGS' else '-O1 -w'} {settings.get(name, '')}"
        return {**settings, "PIP_BUILD_CONSTRAINT": str(constraints)}

    def _unpack(self) -> None:
        suite, downloads = self._suite, self._folder / "download"
        wanted = [f"{suite.package}=={suite.version}", "--no-binary", suite.package]
        self._pip(
            "download", "--no-deps", *wanted, "-d", str(downloads), environment=self._environment()
        )
        (archive,) = downloads.iterdir()
        with tarfile.open(archive) as tar:
            tar.extractall(self._folder / "unpacked", filter="data")
        (tree,) = (self._folder / "unpacked").iterdir()
        tree.rename(self._folder / "source")

    def _edit(self) -> None:
        for name, (old, new) in self._suite.build.replace.items():
            path = self._folder / "source" / name
            text = path.read_text()
            if old not in text:
                raise BuildError(f"{path} has no text {old!r} to replace")
            path.write_text(text.replace(old, new))

    def _compile(self) -> None:
        site = str(self._folder / "site")
        os.mkdir(site)
        for command in self._suite.build.commands:
            words = [word.format_map(self._names) for word in command]
            self._run(*words, environment=self._environment())
        if not self._suite.build.commands:
            source = str(self._folder / "source")
            wheels = self._folder / "wheels"
            arguments = ["--no-deps", "--wheel-dir", str(wheels), source]
            self._pip("wheel", *arguments, environment=self._environment())
            (wheel,) = wheels.iterdir()
            self._pip("install", "--no-deps", "--no-compile", "--target", site, str(wheel))
        if self._suite.requirements:
            options = ["--only-binary", ":all:", "--no-compile", "--upgrade", "--target", site]
            self._pip("install", *options, *self._suite.requirements)

    def _put_in_place(self) -> None:
        site = self._folder / "site"
        for module in site.rglob("*.so"):
            target = self._folder / "source" / self._suite.in_place / module.relative_to(site)
            shutil.copy2(module, target)

    def build(self) -> None:
        """Fetch, unpack and build."""
        self._unpack()
        self._edit()
        self._compile()
        if self._suite.in_place:
            self._put_in_place()


def build_one(suite: Suite, cache: Path, logs: Path) -> Path:
    """See to it that *suite* is built; quick when an earlier run has done it."""
    place = cache / suite.key
    if not place.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        log = logs / f"build-{suite.package}.log"
        log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building.") as folder:
            Workshop(suite, Path(folder), log).build()
            complete = Path(folder) / "complete"
            complete.mkdir()
            for name in ("source", "site"):
                os.rename(Path(folder) / name, complete / name)
            os.rename(complete, place)
    return place


def build(suite: Suite, cache: Path, logs: Path) -> Built:
    """Build *suite* and the packages that it uses."""
    others = [one for one in read() if one.package in suite.uses]
    used = [build_one(one, cache, logs) / "site" for one in others]
    place = build_one(suite, cache, logs)
    return Built(place / "source", place / "site", used)
