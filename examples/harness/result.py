"""What several runs of the same kind amount to."""

import statistics
from collections import Counter
from dataclasses import dataclass, field

from harness.configurations import STOCK, Configuration
from harness.trial import Outcome, Trial


@dataclass
class Runs:
    """All runs of one workload under one configuration."""

    configuration: Configuration
    trials: list[Trial] = field(default_factory=list)

    @property
    def all_right(self) -> bool:
        """Whether each run came to the right result."""
        return all(trial.outcome is Outcome.RIGHT for trial in self.trials)

    @property
    def gil_off(self) -> bool:
        """Whether each run is known to have had the GIL off."""
        return all(trial.gil is False for trial in self.trials)

    @property
    def seconds(self) -> float | None:
        """The median time, if all runs were right."""
        if not self.all_right:
            return None
        return statistics.median(one.seconds for one in self.trials if one.seconds is not None)

    def gil(self) -> str:
        """Say whether the GIL was on or off after the import."""
        known = {trial.gil for trial in self.trials if trial.gil is not None}
        return "/".join("on" if gil else "off" for gil in sorted(known)) or "?"

    def result(self) -> str:
        """Say how the runs ended, such as 'crashed 2 of 3 (SIGSEGV), right 1 of 3'."""
        counts = Counter(trial.outcome for trial in self.trials)
        parts = [
            self._part(outcome, counts[outcome], mixed=len(counts) > 1)
            for outcome in reversed(Outcome)
            if counts[outcome]
        ]
        return ", ".join(parts)

    def _part(self, outcome: Outcome, count: int, mixed: bool) -> str:
        part = str(outcome)
        if mixed or (len(self.trials) > 1 and outcome not in (Outcome.RIGHT, Outcome.REFUSED)):
            part += f" {count} of {len(self.trials)}"
        if outcome is Outcome.CRASHED:
            names = sorted({trial.signal_name for trial in self.trials if trial.signal_name})
            part += f" ({', '.join(names)})"
        return part

    def worst(self) -> Trial:
        """Return the run that ended worst."""
        return max(self.trials, key=lambda trial: list(Outcome).index(trial.outcome))


@dataclass(frozen=True)
class Workload:
    """A program of the story: its script, the package it uses, and what it does."""

    script: str
    package: str
    origin: str
    story: str
    configurations: tuple[Configuration, ...]


@dataclass
class Result:
    """All runs of one workload."""

    workload: Workload
    runs: list[Runs]

    def of(self, configuration: Configuration) -> Runs:
        """Return the runs under `configuration`."""
        return next(runs for runs in self.runs if runs.configuration is configuration)

    def speed(self, runs: Runs) -> float | None:
        """Return the speed of `runs` against stock CPython's, where both were right."""
        stock = self.of(STOCK).seconds
        if stock is None or runs.seconds is None:
            return None
        return stock / runs.seconds
