"""pythonnogil.h, the header for extension authors: it compiles everywhere, and does what it says."""

import subprocess
import sysconfig
from pathlib import Path

import pytest
from children import SCRIPTS, Stage
from processes import clean_environment, run_python

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "fixtures" / "header" / "every_name.c"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGES = {
    "C99": ["cc", "-x", "c", "-std=c99"],
    "C11": ["cc", "-x", "c", "-std=c11"],
    "C++11": ["c++", "-x", "c++", "-std=c++11"],
    "C++17": ["c++", "-x", "c++", "-std=c++17"],
}
# Nothing but Debian's headers is sure to be there; the more of the others the better.
DEBIAN = Path("/usr/include")
OTHERS = (Path("/usr/local/include"), Path.home() / ".pyenv" / "versions")
OLDEST = 9
KINDS = ("readers_and_writers", "count_by_compare_and_set", "exchange", "garbage")

pytestmark = pytest.mark.timeout(240)


def minor_version(folder: Path) -> int:
    """Return 13 for a folder named python3.13t."""
    return int(folder.name.removeprefix("python3.").rstrip("dmt"))


def folders_of_headers() -> list[Path]:
    """Return the folders with the headers of this interpreter and of others, 3.9 and later."""
    found = [*DEBIAN.glob("python3.*")]
    for folder in OTHERS:
        found += [*folder.glob("python3.*"), *folder.glob("*/include/python3.*")]
    usable = [
        folder
        for folder in found
        if (folder / "Python.h").exists() and minor_version(folder) >= OLDEST
    ]
    return [Path(sysconfig.get_path("include")), *sorted(usable)]


HEADERS = folders_of_headers()


def compile_with(headers: Path, language: str, *options: str) -> None:
    """Compile the source that uses every name; any warning fails."""
    command = [*LANGUAGES[language], *WARNINGS, "-fsyntax-only", *options, str(SOURCE)]
    include = ["-I", str(ROOT / "include"), "-isystem", str(headers)]
    done = subprocess.run([*command, *include], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_headers_of_another_version_are_there() -> None:
    assert any(folder.parent == DEBIAN for folder in HEADERS), "install python3-dev"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_compiles_without_warning(headers: Path, language: str) -> None:
    compile_with(headers, language)


@pytest.mark.parametrize("limited", ["0x03090000", "0x030d0000"])
@pytest.mark.parametrize("language", ["C99", "C++17"])
@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_compiles_with_limited_api(headers: Path, language: str, limited: str) -> None:
    if headers.name.endswith("t"):
        pytest.skip("free-threaded CPython 3.13 and 3.14 have no limited API")
    compile_with(headers, language, f"-DPy_LIMITED_API={limited}")


@pytest.fixture
def without_us(extensions: Path) -> Stage:
    """Runs scripts under CPython alone, which decides itself whether the GIL stays off."""
    return Stage(extensions, {"PYTHONNOGIL_MODE": "off"})


@pytest.mark.parametrize("kind", KINDS)
def test_atomic_ref(without_us: Stage, kind: str) -> None:
    without_us.check("atomic_ref.py", kind, "atomic_ref")


@pytest.mark.parametrize("kind", KINDS[:3])
def test_plain_pointer_in_its_place(unguarded: Stage, kind: str) -> None:
    unguarded.assert_hazard("atomic_ref.py", kind, "plain_ref")


@pytest.mark.parametrize("mode", ["off", "gil", "strict-nogil"])
def test_port_of_the_template_example(extensions: Path, mode: str) -> None:
    stage = Stage(extensions, {"PYTHONNOGIL_MODE": mode})
    stage.check("ported_template.py", "ported_template")


def test_template_example_before_its_port(unguarded: Stage) -> None:
    unguarded.assert_hazard("ported_template.py", "template_cache")


def test_template_example_before_its_port_is_refused(extensions: Path) -> None:
    environment = clean_environment(
        PYTHONNOGIL_FIXTURES=extensions, PYTHONNOGIL_MODE="strict-nogil"
    )
    script = str(SCRIPTS / "ported_template.py")
    done = run_python(script, "template_cache", env=environment)
    assert done.rc == 1
    assert "strict-nogil refuses 'letter_template'" in done.stderr


def test_comparison_of_the_example() -> None:
    done = run_python(str(ROOT / "examples" / "ported_template" / "compare.py"), timeout=180)
    assert done.rc == 0, done.stdout + done.stderr
    assert "ported, GIL off: right" in done.stdout
