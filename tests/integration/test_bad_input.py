"""Files that are no extension for this interpreter: a clear error, and nothing left behind."""

import re
import shutil
import struct
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from children import Stage

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
NOT_ELF = [b"not ELF at all, but text\n" * 10, b"\x7fELF", b"\x00" * 8192]
PARTS = [
    "empty",
    "one byte",
    "half header",
    "header",
    "quarter",
    "half",
    "three quarters",
    "almost",
]


def fail_to_load(stage: Stage, name: str, path: Path) -> dict[str, Any]:
    """Load a bad file twice and a good one afterwards; what the first error was."""
    report = stage.check("bad_input.py", name, path)
    error = report["first"]
    assert error["is_import_error"], error
    assert report["second"] == error
    assert report["left_behind"] == []
    assert error["name"] == name
    assert error["path"] == str(path)
    assert len(error["message"].splitlines()) == 1
    return error


def fail_to_load_plainly(unguarded: Stage, name: str, path: Path) -> str:
    """The type of the error that CPython raises by itself."""
    return unguarded.run("bad_input.py", name, path)["first"]["type"]


def loaded_size(path: Path) -> int:
    """How many bytes of a 64-bit ELF file are mapped when it is loaded."""
    data = path.read_bytes()
    offset, size, count = (
        *struct.unpack_from("<Q", data, 32),
        *struct.unpack_from("<HH", data, 54),
    )
    ends = []
    for i in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", data, offset + i * size)
        if kind == 1:  # PT_LOAD
            ends.append(start + length)
    return max(ends)


def truncated(path: Path, part: str) -> bytes:
    whole = loaded_size(path)
    length = {
        "empty": 0,
        "one byte": 1,
        "half header": 32,
        "header": 64,
        "quarter": whole // 4,
        "half": whole // 2,
        "three quarters": whole * 3 // 4,
        "almost": whole - 1,
    }[part]
    return path.read_bytes()[:length]


@pytest.mark.parametrize("content", NOT_ELF)
def test_not_elf(guarded: Stage, unguarded: Stage, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"nonsense{SUFFIX}"
    path.write_bytes(content)
    error = fail_to_load(guarded, "nonsense", path)
    assert error["type"] == fail_to_load_plainly(unguarded, "nonsense", path)


@pytest.mark.parametrize("part", PARTS)
def test_truncated(guarded: Stage, extensions: Path, tmp_path: Path, part: str) -> None:
    path = tmp_path / f"undeclared_multi{SUFFIX}"
    path.write_bytes(truncated(extensions / path.name, part))
    fail_to_load(guarded, "undeclared_multi", path)


def test_without_init_function(guarded: Stage, unguarded: Stage, extensions: Path) -> None:
    path = extensions / "wrong" / "no_init.so"
    error = fail_to_load(guarded, "no_init", path)
    assert "PyInit_no_init" in error["message"]
    assert error["type"] == fail_to_load_plainly(unguarded, "no_init", path)


def test_another_name_than_its_init_function(guarded: Stage, extensions: Path) -> None:
    path = extensions / f"static_counter{SUFFIX}"
    error = fail_to_load(guarded, "other_name", path)
    assert "PyInit_other_name" in error["message"]


def test_missing_file(guarded: Stage, unguarded: Stage, tmp_path: Path) -> None:
    path = tmp_path / f"missing{SUFFIX}"
    error = fail_to_load(guarded, "missing", path)
    assert error["type"] == fail_to_load_plainly(unguarded, "missing", path)


def test_directory(guarded: Stage, unguarded: Stage, tmp_path: Path) -> None:
    path = tmp_path / f"folder{SUFFIX}"
    path.mkdir()
    error = fail_to_load(guarded, "folder", path)
    assert error["type"] == fail_to_load_plainly(unguarded, "folder", path)


def gil_abi_files(extensions: Path) -> dict[str, Path]:
    """Files built for an interpreter with a GIL, by what tells so."""
    wrong = extensions / "wrong"
    tagged = next(wrong.glob("gil_abi.cpython-*.so"))
    return {
        "tag": tagged,
        "abi3": wrong / "gil_abi.abi3.so",
        "nothing, single-phase": wrong / "gil_abi.so",
        "nothing, multi-phase": wrong / "multi" / "gil_abi.so",
    }


GIL_ABI = ["tag", "abi3", "nothing, single-phase", "nothing, multi-phase"]


@pytest.mark.parametrize("told_by", GIL_ABI)
def test_built_for_a_gil(guarded: Stage, extensions: Path, told_by: str) -> None:
    error = fail_to_load(guarded, "gil_abi", gil_abi_files(extensions)[told_by])
    assert "gil_abi" in error["message"]


@pytest.mark.parametrize("told_by", GIL_ABI)
def test_built_for_a_gil_control(unguarded: Stage, extensions: Path, told_by: str) -> None:
    outcome = unguarded.attempt("bad_input.py", "gil_abi", gil_abi_files(extensions)[told_by])
    refused = outcome.report is not None and outcome.report["first"]["is_import_error"]
    assert not refused, "CPython refuses such a file by itself now; the guard may leave it alone"


def test_good_file_with_another_tag_in_its_name(
    guarded: Stage, extensions: Path, tmp_path: Path
) -> None:
    """The name alone says that it is for another interpreter."""
    suffix = re.sub(r"-(\d+)t-", r"-\1-", SUFFIX)
    path = tmp_path / f"undeclared_multi{suffix}"
    shutil.copy(extensions / f"undeclared_multi{SUFFIX}", path)
    fail_to_load(guarded, "undeclared_multi", path)


def test_object_that_is_no_module(guarded: Stage) -> None:
    path = guarded.fixtures / f"not_a_module{SUFFIX}"
    error = fail_to_load(guarded, "not_a_module", path)
    assert "instead of a module" in error["message"]
    assert "'str'" in error["message"]


def test_object_that_is_no_module_control(unguarded: Stage) -> None:
    """CPython loads it."""
    path = unguarded.fixtures / f"not_a_module{SUFFIX}"
    assert unguarded.run("bad_input.py", "not_a_module", path)["first"]["type"] == "NoneType"


def test_stack_switcher_that_does_not_declare_itself(guarded: Stage) -> None:
    path = guarded.fixtures / f"_greenlet{SUFFIX}"
    error = fail_to_load(guarded, "greenlet._greenlet", path)
    assert "switches C stacks" in error["message"]


def test_stack_switcher_that_does_not_declare_itself_control(unguarded: Stage) -> None:
    """CPython loads it."""
    path = unguarded.fixtures / f"_greenlet{SUFFIX}"
    assert unguarded.run("bad_input.py", "greenlet._greenlet", path)["first"]["type"] == "NoneType"
