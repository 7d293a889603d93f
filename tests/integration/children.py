"""Runs the scripts of the hazard tests in child processes and reads what they report."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import LIMIT, clean_environment, run_python

SCRIPTS = Path(__file__).parent / "scripts"
LIMIT_OF_A_CONTROL = 15.0  # corrupted memory may also make it go round for ever
TRIES = 10


@dataclass(frozen=True)
class Outcome:
    """How one child ended: its exit code (negative for a signal), report, if any, and errors."""

    rc: int
    report: dict[str, Any] | None
    stderr: str

    def shows_hazard(self) -> bool:
        """Whether it reported something wrong, crashed, hung, or made the interpreter stumble."""
        if self.report is not None:
            return self.report["wrong"] > 0
        return self.rc < 0 or "Timeout (" in self.stderr or "SystemError" in self.stderr


@dataclass(frozen=True)
class Stage:
    """One way to run the scripts: guarded as a user would, or as the control."""

    fixtures: Path
    settings: dict[str, str] = field(default_factory=dict)
    limit: float = LIMIT

    def attempt(
        self,
        script: str,
        *arguments: object,
        options: tuple[str, ...] = (),
        settings: dict[str, str] | None = None,
    ) -> Outcome:
        """Run *script* once, however it ends; *options* go to the interpreter."""
        environment = clean_environment(
            PYTHONNOGIL_FIXTURES=self.fixtures,
            PYTHONNOGIL_TEST_LIMIT=str(self.limit),
            PYTHONDONTWRITEBYTECODE="1",
            **self.settings,
            **(settings or {}),
        )
        words = [*options, str(SCRIPTS / script), *map(str, arguments)]
        done = run_python(*words, env=environment, timeout=self.limit + 20)
        lines = done.stdout.splitlines()
        finished = done.rc == 0 and lines
        return Outcome(done.rc, json.loads(lines[-1]) if finished else None, done.stderr)

    def run(self, script: str, *arguments: object, **how: Any) -> dict[str, Any]:
        """Run *script*, which has to end well; its report."""
        outcome = self.attempt(script, *arguments, **how)
        assert outcome.report is not None, f"{script} ended with {outcome.rc}:\n{outcome.stderr}"
        return outcome.report

    def check(self, script: str, *arguments: object, **how: Any) -> dict[str, Any]:
        """Run *script*, which has to end well and find nothing wrong; its report."""
        report = self.run(script, *arguments, **how)
        assert report["wrong"] == 0, report
        return report

    def assert_hazard(self, script: str, *arguments: object, tries: int = TRIES) -> None:
        """Run *script* until its hazard shows. Any ending but a good or a hazardous one fails."""
        for _ in range(tries):
            outcome = self.attempt(script, *arguments)
            if outcome.shows_hazard():
                return
            assert outcome.report is not None, f"{script} failed:\n{outcome.stderr}"
        raise AssertionError(f"{script} showed no hazard in {tries} runs without the guard")
