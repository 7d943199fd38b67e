"""The search for one kernel's best schedule: stages of candidates within a budget of time, and a run-off between rule and winner."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from tilewright.core.diagnostics import TilewrightError
from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.passes.schedules.candidates import STAGES, candidates
from tilewright.tuning.candidate_program import CandidateCompiler, CandidateProgram
from tilewright.tuning.measure import Measurement, Measurer
from tilewright.tuning.subject import Subject

MARGIN = 0.02
"""Share of its time that a schedule must save, besides what two measurements of the rule's schedule differ by."""
COMPILE_SHARE = 0.6
"""Of the time of a stage, how much compiling may take."""
STAGE_SHARE = {"tile": 0.5}
"""Of the time that is left, how much a stage may take; OTHER_SHARE for the rest."""
OTHER_SHARE = 0.35
MIN_RUNOFF_S, MAX_RUNOFF_S = 0.5, 4.0
RUNOFF_ROUNDS = 100

Schedule = Mapping[str, Any]
Tell = Callable[[int, int, str], None]
"""Called as `tell(candidates done, candidates known, stage)`."""


@dataclass(frozen=True)
class Trial:
    """A candidate that was tried: its time over that of the rule's schedule, or why it could not be used."""

    schedule: Schedule
    ratio: float | None
    why: str | None = None


@dataclass
class Outcome:
    """What tuning a kernel found. Seconds are those of one run of the program, for each set of sizes, from the run-off.

    `schedule` is the rule's own unless another one won. `noise` is by how much two measurements of one schedule differed in the
    run-off, as a share of its time. `refused` is the best candidate if it lost the run-off.
    """

    subject: Subject
    schedule: Schedule
    rule_seconds: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    ratio: float = 1.0
    noise: float = 0.0
    refused: Trial | None = None
    trials: list[Trial] = field(default_factory=list)

    @property
    def failures(self) -> list[Trial]:
        """Candidates that could not be used."""
        return [trial for trial in self.trials if trial.why is not None]

    @property
    def tuned(self) -> bool:
        """Whether a schedule other than the rule's won."""
        return self.schedule != self.subject.rule


@dataclass
class Search:
    """The search for one kernel. `source` is what the schedules found call their origin (`tuned:...`)."""

    subject: Subject
    compiler: CandidateCompiler
    measurer: Measurer
    source: str
    tell: Tell = field(default=lambda done, total, stage: None)

    def run(self, deadline: float) -> Outcome:
        """Search until about `deadline` (of time.monotonic). Raises what compiling or timing the rule's own schedule raises."""
        rule = self.compiler.compile(self.subject, self.subject.rule)
        outcome = Outcome(self.subject, self.subject.rule)
        (first,) = self.measurer.measure([rule], 0.2)
        best, tried = rule, [_essence(self.subject.rule)]
        for stage in STAGES:
            left = deadline - MIN_RUNOFF_S - monotonic()
            if left <= 0:
                break
            seconds = left * STAGE_SHARE.get(stage, OTHER_SHARE)
            proposals = [p for p in self._proposals(best.schedule, stage) if _essence(p) not in tried]
            proposals = proposals[: _affordable(first, seconds)]
            tried += [_essence(p) for p in proposals]
            if proposals:
                best = self._stage(stage, rule, best, proposals, seconds, outcome)
        self.tell(len(outcome.trials), len(outcome.trials), "run-off")
        self._run_off(rule, best, min(MAX_RUNOFF_S, max(MIN_RUNOFF_S, deadline - monotonic())), outcome)
        return outcome

    def _proposals(self, schedule: Schedule, stage: str) -> list[dict[str, Any]]:
        context = new_context()
        tw.load(context)
        with context, ir.Location.unknown():
            module = ir.Module.parse(self.subject.text)  # must outlive its functions
            found = candidates(
                next(tw.functions(module)), schedule, self.compiler.target, stage, [case.values for case in self.subject.cases]
            )
        return [{**schedule, "source": self.source} for schedule in found]

    def _stage(
        self, stage: str, rule: CandidateProgram, best: CandidateProgram, proposals: list[dict[str, Any]], seconds: float, outcome: Outcome
    ) -> CandidateProgram:
        began = monotonic()
        known = len(outcome.trials) + len(proposals)
        self.tell(len(outcome.trials), known, stage)
        programs: list[CandidateProgram] = [rule] if best is rule else [rule, best]
        for schedule, result in zip(
            proposals, self.compiler.compile_until(self.subject, proposals, began + COMPILE_SHARE * seconds), strict=True
        ):
            if isinstance(result, TilewrightError):
                outcome.trials.append(Trial(schedule, None, str(result)))
            elif result is not None:
                programs.append(result)
        new = programs[1 if best is rule else 2 :]
        if not new:
            return best
        measured = self.measurer.measure(programs, max(0.1, began + seconds - monotonic()))
        outcome.trials += [Trial(p.schedule, None if m.problem else m.score, m.problem) for p, m in zip(new, measured[-len(new) :])]
        self.tell(len(outcome.trials), known, stage)
        return min(zip(programs, measured), key=lambda pair: pair[1].score)[0]

    def _run_off(self, rule: CandidateProgram, best: CandidateProgram, seconds: float, outcome: Outcome) -> None:
        """The rule's schedule stays unless `best` beats it in a process where each has two turns in a round.

        Two, because what a cache still holds depends on how often each is called: one turn of `best` between two of the rule's schedule
        was measured to make `best` up to 1.6 times as slow.
        """
        programs = [rule] if best is rule else [rule, best, rule, best]
        measured = self.measurer.measure(programs, seconds, RUNOFF_ROUNDS, drop=float("inf"))
        outcome.rule_seconds = outcome.seconds = measured[0].best
        if best is rule or any(m.problem is not None for m in measured):
            return
        rules, winners = (measured[0], measured[2]), (measured[1], measured[3])
        outcome.noise = max(noise(*rules), noise(*winners))
        outcome.ratio = ratio(winners, rules)
        outcome.rule_seconds = outcome.seconds = _best(rules)
        if wins(winners, rules):
            outcome.schedule = best.schedule
            outcome.seconds = _best(winners)
        else:
            outcome.refused, outcome.ratio = Trial(best.schedule, outcome.ratio), 1.0


Turns = tuple[Measurement, Measurement]
"""Two measurements of the same schedule in the same process."""


def ratio(candidate: Turns, rule: Turns) -> float:
    """The candidate's time over the rule's: the larger of the ratios of minima and of medians, geometric mean over sets of sizes."""
    return statistics.geometric_mean(_ratios(candidate, rule))


def noise(first: Measurement, second: Measurement) -> float:
    """By how much two measurements of the same schedule differ: the largest share over minima, medians and sets of sizes."""
    pairs = [(of(a), of(b)) for a, b in zip(first.totals, second.totals) for of in (min, statistics.median)]
    return max(abs(a - b) / min(a, b) for a, b in pairs)


def wins(candidate: Turns, rule: Turns) -> bool:
    """Whether the candidate is faster than the rule's schedule by more than MARGIN and the noise, and slower at no set of sizes."""
    needed = max(MARGIN, noise(*candidate), noise(*rule))
    return ratio(candidate, rule) < 1 - needed and max(_ratios(candidate, rule)) <= 1


def _ratios(candidate: Turns, rule: Turns) -> list[float]:
    pooled = zip(_pooled(candidate), _pooled(rule))
    return [max(of(own) / of(reference) for of in (min, statistics.median)) for own, reference in pooled]


def _pooled(turns: Turns) -> list[tuple[float, ...]]:
    return [first + second for first, second in zip(turns[0].totals, turns[1].totals)]


def _best(turns: Turns) -> tuple[float, ...]:
    return tuple(min(rounds) for rounds in _pooled(turns))


def _essence(schedule: Schedule) -> dict[str, Any]:
    """A schedule without where it comes from."""
    return {name: value for name, value in schedule.items() if name != "source"}


def _affordable(rule: Measurement, seconds: float) -> int:
    """How many candidates can be timed in three rounds within half of `seconds`."""
    return max(2, int(0.5 * seconds / (4 * max(sum(rule.best), 2e-4))))
