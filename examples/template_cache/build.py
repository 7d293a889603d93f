"""Compiles the letter_template extension, legacy or ported, for the running interpreter."""

import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]
SOURCE = EXAMPLES / "template_cache" / "letter_template.c"
PORTED_SOURCE = EXAMPLES / "ported_template" / "letter_template.c"
HEADERS = EXAMPLES.parent / "include"


class BuildError(Exception):
    """The C compiler is missing or did not accept the extension."""


def build(folder: Path, source: Path = SOURCE) -> Path:
    """Compile letter_template.c into `folder` and return the extension file."""
    target = folder / f"letter_template{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = shlex.split(sysconfig.get_config_var("CC"))
    include = sysconfig.get_path("include")
    command = [*compiler, "-shared", "-fPIC", "-O2", "-Wall", f"-I{include}", f"-I{HEADERS}"]
    try:
        result = subprocess.run(
            [*command, str(source), "-o", str(target)],
            capture_output=True,
            text=True,
            timeout=120,
        )
    except FileNotFoundError:
        raise BuildError(f"no C compiler {compiler[0]!r} to build {source.name}") from None
    if result.returncode != 0:
        raise BuildError(f"{compiler[0]} could not build {source.name}:\n{result.stderr}")
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
