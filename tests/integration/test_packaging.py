"""The distribution: what an sdist and a wheel hold, and that uninstalling leaves nothing behind."""

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("include", "policy", "shim", "loader")
FILES = ("CMakeLists.txt", "pyproject.toml", "setup.cfg", "README.md", "LICENSE")
START_UP = {"pythonnogil.pth", "pythonnogil.start"}
MAN_PAGE = "share/man/man1/pythonnogil.1"

pytestmark = pytest.mark.timeout(900)


def run(*command: str | Path) -> str:
    child = subprocess.run(command, capture_output=True, text=True, timeout=800)
    assert child.returncode == 0, child.stdout + child.stderr
    return child.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and the wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    run(sys.executable, "-m", "build", "--no-isolation", folder)
    return folder / "dist"


def test_sdist_holds_the_sources(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CMakeLists.txt", "LICENSE", "shim/thunks_x86_64.S", "loader/core/module.cpp"} <= names


def test_wheel_holds_the_package_and_the_start_up_files(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert START_UP <= names
    for name in ("py.typed", "_core.pyi", "__init__.py", "policy.toml", "report_page.css"):
        assert f"pythonnogil/{name}" in names
    assert any(name.startswith("pythonnogil/_core.") and name.endswith(".so") for name in names)
    assert f"pythonnogil-0.1.0.data/data/{MAN_PAGE}" in names
    top = {name.partition("/")[0] for name in names}
    data = {"pythonnogil-0.1.0.data", "pythonnogil-0.1.0.dist-info"}
    assert top - START_UP == {"pythonnogil", *data}


def test_uninstalling_leaves_nothing_behind(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    before = {path.name for path in site.iterdir()}
    run(python, "-m", "pip", "install", "--no-index", "--no-deps", wheel)
    assert START_UP <= {path.name for path in site.iterdir()}
    page = tmp_path / "venv" / MAN_PAGE
    assert page.read_text() == run(python, "-m", "pythonnogil._man_page")
    loaded = run(python, "-c", "import sys; print('pythonnogil' in sys.modules)")
    assert loaded.strip() == "True"
    run(python, "-m", "pip", "uninstall", "--yes", "pythonnogil")
    assert {path.name for path in site.iterdir()} == before
    assert not page.exists()
