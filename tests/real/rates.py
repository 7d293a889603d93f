"""Print how often each script of tests/real goes wrong, guarded and without GIL and guard.

Each runs N times guarded, which must go well every time, and N times under PYTHON_GIL=0 without
pythonnogil, for comparison. Exit code 0 when no guarded run went wrong.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INTEGRATION = HERE.parent / "integration"
sys.path.insert(0, str(INTEGRATION))

from children import LIMIT_OF_A_CONTROL, Stage  # noqa: E402  found through the line above

SCRIPTS = HERE / "scripts"
SHARED = {"PYTHONPATH": str(INTEGRATION / "scripts")}
WITHOUT = {**SHARED, "PYTHON_GIL": "0", "PYTHONNOGIL_MODE": "off"}


def went_wrong(stage: Stage, script: Path) -> bool:
    """Run *script* once; whether it crashed, hung, failed or found something wrong."""
    try:
        outcome = stage.attempt(str(script))
    except AssertionError:  # it exceeded its limit
        return True
    return outcome.report is None or outcome.report["wrong"] > 0


def failures(stage: Stage, script: Path, runs: int) -> int:
    """Count the runs that went wrong."""
    return sum(went_wrong(stage, script) for _ in range(runs))


def scripts(names: list[str]) -> list[Path]:
    """List the scripts of these names, or all; crowd.py is none, the others share it."""
    found = sorted(path for path in SCRIPTS.glob("*.py") if path.stem != "crowd")
    return [path for path in found if not names or path.stem in names]


def main() -> int:
    """Run the scripts and print the table."""
    parser = argparse.ArgumentParser(prog="tests/real/rates.py", description=__doc__)
    parser.add_argument("runs", type=int, metavar="N", help="how often each script runs")
    parser.add_argument("names", nargs="*", metavar="SCRIPT", help="only these, without .py")
    options = parser.parse_args()
    guarded, unguarded = Stage(SCRIPTS, SHARED), Stage(SCRIPTS, WITHOUT, LIMIT_OF_A_CONTROL)
    print(f"| script | failed of {options.runs}, guarded | under PYTHON_GIL=0 |")
    print("|---|---|---|")
    wrong = 0
    for script in scripts(options.names):
        with_guard = failures(guarded, script, options.runs)
        without = failures(unguarded, script, options.runs)
        print(f"| {script.stem} | {with_guard} | {without} |", flush=True)
        wrong += with_guard
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
