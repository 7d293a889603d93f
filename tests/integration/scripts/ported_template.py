"""The mailing of the examples with the letter_template in FOLDER, the legacy or the ported one."""

import sys
from pathlib import Path

import stage

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
sys.path[:0] = [str(Path(stage.FIXTURES) / sys.argv[1]), str(EXAMPLES)]

import mailing  # noqa: E402

mailing.MAILINGS = 400

wrong = 0
work = mailing.Mailings(stage.load("letter_template"))
try:
    stage.together(*[work.clerk(number) for number in range(mailing.CLERKS)])
    work.verify()
except mailing.WrongResult as error:
    print(error, file=sys.stderr)
    wrong = 1
stage.report(wrong)
