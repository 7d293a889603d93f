"""Two interpreters for test_embed, one of them with pythonnogil, both with the program it runs.

test_embed looks for Programs/_testembed beside the interpreter, as in a folder that CPython was
built in, and that program finds its standard library from the place where it is. A virtual
environment will not do; so each is a folder like that of the installed interpreter, made of links.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

LIMIT = 300.0
PACKAGE = "pythonnogil"


class MissingSources(Exception):
    """There is nothing to compile the program from; the text says what was looked for."""


def extracted_program(sources: Path | None, folder: Path) -> Path:
    """Extract the program's source files from the tarball of CPython in the folder *sources*."""
    version = platform.python_version()
    found = sorted(sources.glob(f"*_{version}.orig.tar.*[!c]")) if sources else []
    if not found:
        raise MissingSources(f"no source tarball of CPython {version} is there")
    with tarfile.open(found[0]) as tar:
        for member in tar:
            if member.name.endswith(("/Programs/_testembed.c", "/Programs/test_frozenmain.h")):
                member.name = Path(member.name).name
                tar.extract(member, folder, filter="data")
    return folder / "_testembed.c"


def compile_program(source: Path, target: Path) -> None:
    """Compile the program, and link all of CPython into it, as CPython's own Makefile does."""

    def words(name: str) -> list[str]:
        return str(sysconfig.get_config_var(name) or "").split()

    include = Path(sysconfig.get_path("include"))
    folders = [include, include / "internal", include / "internal" / "mimalloc"]
    library = Path(*words("LIBDIR"), *words("LDLIBRARY"))
    subprocess.run(
        [
            *[*words("CC"), "-O1", "-w", *(f"-I{folder}" for folder in folders)],
            *[source, "-o", target, f"-Wl,-rpath,{library.parent}"],
            *["-Wl,--whole-archive", library, "-Wl,--no-whole-archive"],
            *[*words("LINKFORSHARED"), *words("LIBS"), *words("SYSLIBS")],
        ],
        check=True,
        timeout=LIMIT,
    )


def imitation(folder: Path, program: Path) -> Path:
    """Make a folder like that of the installed interpreter; the interpreter in it."""
    shutil.rmtree(folder, ignore_errors=True)
    base, version = Path(sys.base_prefix), f"python{sysconfig.get_config_var('LDVERSION')}"
    programs, library = folder / "bin" / "Programs", folder / "lib" / version
    programs.mkdir(parents=True)
    (library / "site-packages").mkdir(parents=True)
    for entry in (base / "lib" / version).iterdir():
        if entry.name != "site-packages":
            (library / entry.name).symlink_to(entry)
    (folder / "include").symlink_to(base / "include")
    # A link to the interpreter would lead back to where it comes from.
    python = folder / "bin" / version
    shutil.copy2(os.path.realpath(sys.executable), python)
    shutil.copy2(program, programs / program.name)
    return python


def interpreters(folder: Path, sources: Path | None) -> tuple[Path, Path]:
    """Make both interpreters below *folder*: the one without pythonnogil, and the one with it."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "_testembed"
    compile_program(extracted_program(sources, folder), program)
    without, guarded = (imitation(folder / name, program) for name in ("without", "with"))
    installed = Path(sysconfig.get_path("platlib"))
    (site,) = guarded.parents[1].glob("lib/*/site-packages")
    shutil.copytree(installed / PACKAGE, site / PACKAGE)
    for start in installed.glob(f"{PACKAGE}.*"):
        if start.is_file():
            shutil.copy2(start, site)
    return without, guarded
