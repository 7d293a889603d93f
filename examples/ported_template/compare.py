"""Runs the mailing of the story with the extension as it was and as it is after its port.

Neither run has pythonnogil guard anything: the legacy extension runs with the GIL forced off, the
ported one decides by its own declaration. Exit code 0: the port was right, with the GIL off.
"""

import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(EXAMPLES))

from harness.configurations import FORCED_OFF, STOCK, Configuration  # noqa: E402
from harness.trial import Outcome, Trial, forbid_core_files, run_trial  # noqa: E402
from template_cache.build import PORTED_SOURCE, SOURCE, BuildError, build  # noqa: E402

TIME_LIMIT = 60.0


def mail(source: Path, configuration: Configuration) -> Trial:
    """Build the extension from `source` and write the letters with it."""
    with tempfile.TemporaryDirectory(prefix="pythonnogil-port-") as folder:
        build(Path(folder), source)
        return run_trial(EXAMPLES / "mailing.py", configuration, Path(folder), TIME_LIMIT)


def main() -> int:
    """Run both, print what came of them, and return the exit code."""
    forbid_core_files()
    try:
        before = mail(SOURCE, FORCED_OFF)
        after = mail(PORTED_SOURCE, STOCK)
    except BuildError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    print(f"legacy, GIL forced off: {before.outcome}")
    print(f"ported, GIL {'on' if after.gil else 'off'}: {after.outcome} ({after.detail})")
    return 0 if after.outcome is Outcome.RIGHT and after.gil is False else 1


if __name__ == "__main__":
    sys.exit(main())
