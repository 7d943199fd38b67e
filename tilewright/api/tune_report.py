"""What tuning found, as database entries and as JSON-able data (tools/tune_command.py renders it)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tilewright.passes.schedules.database import Entry
from tilewright.targets import Target
from tilewright.tuning.search import Outcome, Trial
from tilewright.version import __version__


@dataclass
class TuneResult:
    """What was found: one outcome for each kernel tuned, the names of those for which no time was left, and the sizes."""

    target: Target
    threads: int
    size_sets: list[dict[str, int]]
    described: dict[str, str]
    outcomes: list[Outcome] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0


def entry_of(outcome: Outcome, result: TuneResult) -> Entry:
    """The database entry of a tuned kernel."""
    subject = outcome.subject
    source = str(outcome.schedule["source"])
    schedule = {name: value for name, value in outcome.schedule.items() if name != "source"}
    notes = {
        "name": subject.name,
        "summary": subject.summary,
        "sizes": [dict(case.values) for case in subject.cases],
        "threads": result.threads,
        "rule": {name: value for name, value in subject.rule.items()},
        "rule_microseconds": [round(s * 1e6, 2) for s in outcome.rule_seconds],
        "microseconds": [round(s * 1e6, 2) for s in outcome.seconds],
        "ratio": round(outcome.ratio, 4),
        "producer": f"tilewright {__version__}",
    }
    return Entry(subject.digest, result.target.name, source, schedule, notes)


def _trial(trial: Trial) -> dict[str, Any]:
    return {"schedule": dict(trial.schedule), "ratio": trial.ratio, "why": trial.why}


def tune_report(result: TuneResult) -> dict[str, Any]:
    """The result as JSON values. Times in microseconds, one for each set of sizes."""
    return {
        "target": result.target.name,
        "threads": result.threads,
        "sizes": result.size_sets,
        "seconds": result.seconds,
        "kernels": [
            {
                **entry_of(outcome, result).notes,
                "kernel": outcome.subject.digest,
                "schedule": dict(outcome.schedule),
                "noise": outcome.noise,
                "refused": None if outcome.refused is None else _trial(outcome.refused),
                "candidates": [_trial(trial) for trial in outcome.trials],
            }
            for outcome in result.outcomes
        ],
        "skipped": result.skipped,
    }
