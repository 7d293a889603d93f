"""The line that tests/run ends with must never look better than the results are."""

import pathlib
import subprocess
import sys

import pytest

COUNT_RESULTS = pathlib.Path(__file__).with_name("count_results.py")

PASSED = '<testcase name="a"/>'
FAILED = '<testcase name="b"><failure message="no"/></testcase>'
BROKEN = '<testcase name="c"><error message="no"/></testcase>'
SKIPPED = '<testcase name="d"><skipped message="why"/></testcase>'
NOT_RUN = '<testcase name="e" status="notrun"><skipped message="no program"/></testcase>'

pytestmark = pytest.mark.timeout(60)


def count(folder: pathlib.Path, *files: str) -> tuple[str, int]:
    """Return the last line and the exit code for files with these contents."""
    for number, content in enumerate(files):
        (folder / f"{number}.xml").write_text(content)
    result = subprocess.run(
        [sys.executable, COUNT_RESULTS, folder], capture_output=True, text=True, check=False
    )
    return result.stdout.splitlines()[-1], result.returncode


def suite(*cases: str) -> str:
    """Return a JUnit file with these cases."""
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"


@pytest.mark.parametrize(
    ("files", "line", "code"),
    [
        ([suite(PASSED, PASSED)], "2 passed, 0 failed", 0),
        ([suite(PASSED), suite(PASSED, SKIPPED)], "2 passed, 0 failed, 1 skipped", 0),
        ([suite(PASSED), suite(FAILED, BROKEN)], "1 passed, 2 failed", 1),
        ([suite(PASSED, NOT_RUN)], "1 passed, 1 failed", 1),
        ([suite(PASSED), "<testsuites><testsuite>"], "1 passed, 1 failed", 1),
        ([suite(SKIPPED)], "0 passed, 0 failed, 1 skipped", 1),
        ([], "0 passed, 0 failed", 1),
    ],
    ids=["passed", "skipped", "failed", "not run", "truncated", "only skipped", "nothing"],
)
def test_sum(tmp_path: pathlib.Path, files: list[str], line: str, code: int) -> None:
    """The sum and the exit code are right."""
    assert count(tmp_path, *files) == (line, code)
