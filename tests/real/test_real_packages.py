"""Real legacy packages, unmodified: right results from several threads with the GIL off."""

import json
import sysconfig
from pathlib import Path

import pytest
import scan_truth
from children import TRIES, Outcome, Stage
from processes import clean_environment, run_python

SCRIPTS = Path(__file__).with_name("scripts")
BEGUN = "the threads begin"  # as scripts/crowd.py prints it

# The extension modules of the packages, and why each is a legacy one.
MODULES = {
    "_yappi": "single-phase",
    "ahocorasick": "single-phase",
    "cbor._cbor": "single-phase",
    "gmpy2.gmpy2": "single-phase",
    "lru._lru": "single-phase",
    "lxml.etree": "explicit",
    "markupsafe._speedups": "single-phase",
    "rapidjson": "undeclared",
    "yaml._yaml": "explicit",
}

# Scripts whose package gives wrong results, crashes or hangs without the GIL and the guard.
HAZARDOUS = [
    "ahocorasick_growing_trie.py",
    "ahocorasick_one_search.py",
    "cbor_changing_list.py",
    "gmpy2_series.py",
    "lru_statistics.py",
    "lxml_shared_document.py",
    "yappi_calls.py",
]
# Scripts that show that the guard breaks nothing: their packages share nothing between threads, or
# would hang if the guard kept others out for the length of a call.
HARMLESS = [
    "lxml_own_branches.py",
    "markupsafe_pages.py",
    "rapidjson_handoff.py",
    "rapidjson_objects.py",
    "yaml_documents.py",
]


def breaks(outcome: Outcome) -> bool:
    """Whether this run without the guard went wrong because of the package.

    Some packages end the process themselves when they find their memory corrupted.
    """
    return outcome.shows_hazard() or (outcome.rc != 0 and BEGUN in outcome.stderr)


@pytest.mark.parametrize("module", MODULES)
def test_is_guarded(guarded: Stage, module: str) -> None:
    report = guarded.check("legacy_modules.py", module)
    verdict = report["verdicts"][module]
    assert (verdict["verdict"], verdict["reason"]) == ("legacy", MODULES[module])
    assert verdict["entries"] > 0


@pytest.mark.parametrize("module", MODULES)
def test_every_entry_is_guarded(module: str) -> None:
    words = ["-m", "pythonnogil", "entries", "--json", module]
    done = run_python(*words, env=clean_environment())
    found = json.loads(done.stdout)["entries"]
    assert [entry for entry in found if entry["status"] == "not guarded"] == []
    assert done.rc == 0
    guarded = [entry for entry in found if entry["status"] == "guarded"]
    assert any(entry["slot"] == "method" for entry in guarded)


def test_scan_agrees_with_the_import() -> None:
    root = Path(sysconfig.get_path("platlib"))
    files = scan_truth.static_verdicts(root)
    # Our own core is loaded before anything that could judge it.
    others = {path: file for path, file in files.items() if file["module"] != "_core"}
    assert len(others) >= len(MODULES)
    truth = scan_truth.imported(others, root)
    assert scan_truth.disagreements(others, truth) == []
    assert len(scan_truth.unknown(others)) <= len(others) / 5


@pytest.mark.parametrize("script", HAZARDOUS + HARMLESS)
def test_right_result(guarded: Stage, script: str) -> None:
    guarded.check(str(SCRIPTS / script))


@pytest.mark.parametrize("script", HAZARDOUS)
def test_right_result_control(unguarded: Stage, script: str) -> None:
    for _ in range(TRIES):
        outcome = unguarded.attempt(str(SCRIPTS / script))
        if breaks(outcome):
            return
        assert outcome.report is not None, f"{script} failed:\n{outcome.stderr}"
    raise AssertionError(f"{script} went well in {TRIES} runs without the guard")
