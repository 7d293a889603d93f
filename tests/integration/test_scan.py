"""``python -m pythonnogil scan``: verdicts, what it prints, what it does with bad files."""

import json
import os
import random
import sys
import time
import zipfile
from pathlib import Path

import pytest
import scan_truth
from processes import Finished, clean_environment, run_python
from small_elf import FOREIGN, WITH_GIL, SmallElf

from pythonnogil._elf_reader import ElfError
from pythonnogil._scan import Verdict, examine_file

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
CORPUS = HERE.parent / "fixtures" / "malformed"
EXEC, GIL, GIL_OF_315 = 2, 4, 87
USED, NOT_USED = 0, 1
SINGLE_PHASE = ["PyModule_Create2"]
LATE = [*SINGLE_PHASE, "PyUnstable_Module_SetGIL"]
# The reasons that leave a verdict open: the module decides when it runs.
OPEN = (
    "single-phase; it may declare itself by PyUnstable_Module_SetGIL",
    "the slots of its module definition are filled in at run time",
    "another library makes the module",
)
# What may pass while one damaged file is read.
SECONDS = 5.0


def golden(name: str) -> str:
    """What is to be printed. The one file that names a version names that of the interpreter."""
    version = f"CPython {sys.version_info.major}.{sys.version_info.minor}t"
    return (GOLDEN / name).read_text().replace("CPython 3.13t", version)


def scan(*words: str | os.PathLike[str], **how) -> Finished:
    return run_python("-m", "pythonnogil", "scan", *words, **how)


def verdict_of(file: SmallElf, path: str = "small.so") -> Verdict:
    finding = examine_file(path, file.build())
    assert finding is not None
    return finding.verdict


@pytest.mark.parametrize(
    ("file", "verdict"),
    [
        (SmallElf(slots=[(GIL, NOT_USED)]), Verdict.DECLARED),
        (SmallElf(slots=[(GIL_OF_315, NOT_USED)]), Verdict.DECLARED),
        (SmallElf(slots=[(EXEC, 0x480), (GIL, NOT_USED)]), Verdict.DECLARED),
        (SmallElf(slots=[(GIL, USED)]), Verdict.EXPLICIT),
        (SmallElf(slots=[]), Verdict.UNDECLARED),
        (SmallElf(slots=[(EXEC, 0x480)]), Verdict.UNDECLARED),
        # {METH_NOARGS, NULL}, as at the end of a row of methods: equal to a slot, but not one.
        (SmallElf(slots=[], extra=(4).to_bytes(8, "little") + bytes(8)), Verdict.UNDECLARED),
        (SmallElf(slots=[(GIL, NOT_USED)], packed_relocations=True), Verdict.DECLARED),
        (SmallElf(without_slots=True), Verdict.UNKNOWN),
        (SmallElf(header=bytes(32)), Verdict.UNKNOWN),
        (SmallElf(imports=SINGLE_PHASE, without_slots=True), Verdict.UNDECLARED),
        (SmallElf(imports=LATE, without_slots=True), Verdict.UNKNOWN),
        (SmallElf(imports=["boost"], without_slots=True), Verdict.UNKNOWN),
        (SmallElf(header=WITH_GIL, slots=[(GIL, NOT_USED)]), Verdict.WRONG_ABI),
        (SmallElf(header=WITH_GIL, imports=SINGLE_PHASE), Verdict.WRONG_ABI),
        (SmallElf(machine=FOREIGN, slots=[(GIL, NOT_USED)]), Verdict.WRONG_ABI),
    ],
)
def test_verdict(file: SmallElf, verdict: Verdict) -> None:
    assert verdict_of(file) == verdict


@pytest.mark.parametrize("name", ["small.abi3.so", "small.cpython-312-x86_64-linux-gnu.so"])
def test_name_of_another_abi(name: str) -> None:
    assert verdict_of(SmallElf(slots=[(GIL, NOT_USED)]), name) == Verdict.WRONG_ABI


def test_the_definition_with_the_name_of_the_module_counts() -> None:
    first = SmallElf(slots=[(GIL, NOT_USED)])
    assert examine_file("other.so", first.build()) is None
    other = SmallElf(module="other", slots=[(GIL, NOT_USED)]).build()
    renamed = other.replace(b"PyInit_other\0", b"PyInit_small\0")
    finding = examine_file("small.so", renamed)
    assert finding is not None
    assert finding.verdict == Verdict.DECLARED  # the only one there is


@pytest.mark.parametrize(
    ("trace", "technology"),
    [
        (b"_cython_3_0_11\0", "Cython 3.0.11"),
        (b"_cython_0_29_37\0", "Cython 0.29.37"),
        (b"/registry/src/pyo3-0.22.6/src/gil.rs", "PyO3 0.22.6"),
        (b"nanobind::detail", "nanobind"),
        (b"__pybind11_internals_v5_gcc", "pybind11"),
        (b"swig_runtime_data4", "SWIG"),
        (b"_cffi_backend", "cffi"),
        (b"Boost.Python.class", "Boost.Python"),
        (b"", "hand-written multi-phase"),
    ],
)
def test_technology(trace: bytes, technology: str) -> None:
    finding = examine_file("small.so", SmallElf(extra=trace).build())
    assert finding is not None
    assert finding.technology == technology


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with an extension of each verdict, one of them in a wheel."""
    files = {
        "declared.so": SmallElf("declared", slots=[(GIL, NOT_USED)]),
        "package/explicit.so": SmallElf("explicit", slots=[(GIL, USED)], extra=b"_cython_3_1_2\0"),
        "package/late.so": SmallElf("late", LATE, without_slots=True),
        "package/old.abi3.so": SmallElf("old", SINGLE_PHASE, without_slots=True),
    }
    (tmp_path / "package").mkdir()
    for name, file in files.items():
        (tmp_path / name).write_bytes(file.build())
    borrowing = SmallElf(
        "borrowing", [*SINGLE_PHASE, "PyDict_Next", "PyGILState_Ensure", "pthread_create"]
    )
    with zipfile.ZipFile(tmp_path / "small-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small/borrowing.so", borrowing.build())
        wheel.writestr("small/libhelp.so", b"")
        wheel.writestr("small/__init__.py", b"")
    return tmp_path


def test_json(tree: Path) -> None:
    done = scan("--json", ".", cwd=tree)
    assert json.loads(done.stdout) == json.loads(golden("scan.json"))
    assert done.rc == 2  # an empty file is no library


def test_text(tree: Path) -> None:
    done = scan("package", "declared.so", cwd=tree)
    assert done.stdout == golden("scan.txt")
    assert (done.rc, done.stderr) == (1, "")


def test_legacy_only(tree: Path) -> None:
    done = scan("--legacy", "package", "declared.so", cwd=tree)
    assert "declared.so" not in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last == "3 extensions: 1 explicitly not, 1 unknown until run, 1 wrong ABI"


@pytest.mark.parametrize(
    ("words", "rc"),
    [
        (["declared.so"], 0),
        (["package/old.abi3.so"], 0),
        (["package/explicit.so"], 1),
        (["package/late.so"], 1),
        (["small-1.0-py3-none-any.whl"], 2),
        (["absent.so/"], 2),
        (["absent"], 2),
        ([], 2),
        (["--fast"], 2),
        (["--limit", "no", "declared.so"], 2),
        (["--environment", "declared.so"], 2),
    ],
)
def test_exit_codes(tree: Path, words: list[str], rc: int) -> None:
    done = scan(*words, cwd=tree)
    assert done.rc == rc
    assert (done.stderr != "") == (rc == 2)
    assert "Traceback" not in done.stderr


def test_a_library_by_name_is_an_error(tree: Path) -> None:
    (tree / "other.so").write_bytes(SmallElf().build())
    done = scan("other.so", cwd=tree)
    line = "pythonnogil: scan: other.so: is no extension: it has no init function\n"
    assert (done.rc, done.stderr) == (2, line)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_are_no_text(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    # The init function of a module whose name is not in ASCII is named by its punycode.
    data = SmallElf("ignored").build().replace(b"PyInit_ignored", b"PyInitU_m_eha\0")
    (folder / "m\N{LATIN SMALL LETTER U WITH DIAERESIS}.so").write_bytes(data)
    environment = clean_environment(PYTHONIOENCODING=encoding)
    done = scan(".", cwd=tmp_path, env=environment)
    assert (done.rc, done.stdout.splitlines()[-1]) == (1, "1 extensions: 1 undeclared")
    assert "udcff" in done.stdout
    assert "Traceback" not in done.stderr
    assert json.loads(scan("--json", ".", cwd=tmp_path).stdout)["summary"] == {"undeclared": 1}


def test_a_damaged_wheel_does_not_end_the_scan(tree: Path) -> None:
    wheel = (tree / "small-1.0-py3-none-any.whl").read_bytes()
    middle = wheel.index(b"PyGILState")
    (tree / "package" / "cut-1.0.whl").write_bytes(wheel[: len(wheel) // 2])
    flipped = wheel[:middle] + bytes([wheel[middle] ^ 1]) + wheel[middle + 1 :]
    (tree / "package" / "flipped-1.0.whl").write_bytes(flipped)
    done = scan("package", cwd=tree)
    assert done.rc == 2
    assert "\n3 extensions: " in done.stdout
    errors = done.stderr.splitlines()
    assert [line.partition(": package/")[2].partition(": ")[0] for line in errors] == [
        "cut-1.0.whl",
        "flipped-1.0.whl/small/borrowing.so",
        "flipped-1.0.whl/small/libhelp.so",
    ]


def test_packages_by_name(tree: Path) -> None:
    (tree / "package" / "__init__.py").write_text("raise AssertionError('imported')")
    environment = clean_environment(PYTHONPATH=tree)
    for name, count in (("package", 3), ("package.late", 1), ("declared", 1), ("json", 0)):
        done = scan("--json", name, env=environment)
        assert len(json.loads(done.stdout)["files"]) == count, name
    ours = json.loads(scan("--json", "pythonnogil").stdout)["files"]
    assert [(file["module"], file["verdict"]) for file in ours] == [("_core", "declared")]


def test_environment(tree: Path) -> None:
    environment = clean_environment(PYTHONPATH=tree / "package")
    done = scan("--environment", "--json", env=environment)
    verdicts = {file["module"]: file["verdict"] for file in json.loads(done.stdout)["files"]}
    assert verdicts["late"] == "unknown until run"
    assert verdicts["_asyncio"] == verdicts["math"] == "declared"


def test_probe(extensions: Path) -> None:
    names = ("declared_single", "dict_walker", "two_modules_in_one_file")
    files = [str(next(extensions.glob(f"{name}.*"))) for name in names]
    before = json.loads(scan("--json", *files).stdout)["files"]
    assert {file["verdict"] for file in before} == {"unknown until run"}
    after = json.loads(scan("--json", "--probe", *files).stdout)["files"]
    assert [file["verdict"] for file in after] == ["declared", "undeclared", "undeclared"]


@pytest.mark.parametrize("own", [True, False], ids=["the interpreter's", "fixtures"])
def test_agrees_with_the_import(extensions: Path, own: bool) -> None:
    folder = scan_truth.standard_extensions() if own else extensions
    files = scan_truth.static_verdicts(folder)
    assert len(files) > 30
    truth = scan_truth.imported(files)
    assert scan_truth.disagreements(files, truth) == []
    # Unknown are those that decide it while they run, and no others; the probe knows them too.
    for file in files.values():
        if file["verdict"] == "unknown until run":
            assert file["reason"].startswith(OPEN), file
    assert 0 < len(scan_truth.unknown(files)) < len(files) / 5
    probed = scan_truth.static_verdicts(folder, options=("--probe",))
    # The dynamic linker refuses that one, so nobody will ever know.
    assert scan_truth.unknown(probed) - {"unresolved"} == set()
    assert scan_truth.disagreements(probed, truth) == []


def test_probe_of_a_wheel(extensions: Path, tmp_path: Path) -> None:
    file = next(extensions.glob("declared_single.*"))
    with zipfile.ZipFile(tmp_path / "single-1.0.whl", "w") as wheel:
        wheel.write(file, f"package/{file.name}")
    done = scan("--probe", "single-1.0.whl", cwd=tmp_path)
    assert "it declared itself when it was probed" in done.lines()[1]


def test_probe_that_fails(tree: Path) -> None:
    done = scan("--probe", "package/late.so", cwd=tree)
    assert done.rc == 1
    assert "when it is initialized; " in done.stdout


def test_probe_that_hangs(extensions: Path) -> None:
    file = next(extensions.glob("declared_single.*"))
    done = scan("--probe", "--limit", "0.001", file)
    assert "the probe was still running after 0.001 s" in done.stdout


def test_progress_on_a_terminal_only(tree: Path) -> None:
    for number in range(30):
        (tree / f"more{number}.so").write_bytes(SmallElf(f"more{number}").build())
    code = "import pty, sys; sys.exit(pty.spawn([sys.executable, *sys.argv[1:]]))"
    words = ["-m", "pythonnogil", "scan", "--json", "."]
    on_terminal = run_python("-c", code, *words, cwd=tree).stdout
    assert "[###" in on_terminal
    assert " 20/36 " in on_terminal
    assert run_python(*words, cwd=tree).stderr.count("\n") == 1


def test_output_that_nobody_reads(tree: Path) -> None:
    code = (
        "import os, sys; read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "from pythonnogil._command_line import main\n"
        "sys.exit(main(['scan', 'package']))"
    )
    done = run_python("-c", code, cwd=tree)
    assert (done.rc, done.stderr) == (1, "")


def test_output_that_is_closed(tree: Path) -> None:
    code = (
        "import os, sys; os.close(1)\n"
        "os.execv(sys.executable, [sys.executable, '-I', '-m', 'pythonnogil', 'scan', 'package'])"
    )
    done = run_python("-c", code, cwd=tree)
    assert (done.rc, done.stdout, done.stderr) == (1, "", "")


def test_in_a_forked_child(tree: Path) -> None:
    code = (
        "import os, sys, json, pythonnogil._core\n"
        "from pythonnogil._command_line import main\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    code = main(['scan', 'package'])\n"
        "    sys.stdout.flush()\n"
        "    os._exit(code)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert run_python("-c", code, cwd=tree).lines()[-1] == "1"


def examine_anything(data: bytes) -> None:
    """Read these bytes as an extension. Whatever they are, an ElfError is the worst of it."""
    begun = time.monotonic()
    try:
        examine_file("small.so", data)
    except ElfError as error:
        assert str(error)
        assert "\n" not in str(error)
    assert time.monotonic() - begun < SECONDS


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A variation: cut off, or with some bytes or numbers replaced."""
    copy = bytearray(data)
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(copy[: chance.randrange(len(copy))])
    for _ in range(chance.randrange(1, 8)):
        place = chance.randrange(min(len(copy), 0x700 if kind == 1 else len(copy)))
        if kind == 2:
            copy[place] = chance.randrange(256)
        else:
            number = chance.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, len(copy)])
            copy[place // 8 * 8 : place // 8 * 8 + 8] = number.to_bytes(8, "little")
    return bytes(copy)


BASES = [
    SmallElf(slots=[(EXEC, 0x480), (GIL, NOT_USED)]),
    SmallElf(slots=[(GIL, USED)], packed_relocations=True),
    SmallElf(header=WITH_GIL, imports=LATE),
]


@pytest.mark.parametrize("number", range(len(BASES)))
def test_damaged_files(number: int) -> None:
    data = BASES[number].build()
    chance = random.Random(number)
    for _ in range(3000):
        examine_anything(damaged(data, chance))


@pytest.mark.parametrize("name", ["cython_fixture", "static_counter", "declared"])
def test_damaged_real_files(extensions: Path, name: str) -> None:
    found = next(extensions.glob(f"{name}.*"), None)
    if found is None:
        pytest.skip(f"{name} was not built: its generator is not installed")
    data = found.read_bytes()
    chance = random.Random(name)
    for _ in range(100):
        examine_anything(damaged(data, chance))


@pytest.mark.parametrize("file", sorted(CORPUS.iterdir()), ids=lambda file: file.name)
def test_malformed_files(file: Path) -> None:
    examine_anything(file.read_bytes())
    assert scan(file).rc == 2
