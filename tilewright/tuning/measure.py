"""Timing of compiled candidates in a process of its own. One that crashes or hangs is reported, and the others are timed without it."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tilewright.core.diagnostics import WorkerError
from tilewright.core.isolation import Death, Finished, run_isolated
from tilewright.core.symbolic import parse, to_expr
from tilewright.targets import Target
from tilewright.tuning.candidate_program import CandidateProgram
from tilewright.tuning.operands import OperandFiles
from tilewright.tuning.subject import Subject, Values
from tilewright.tuning.timing import ProgramTimes, TimedCase, TimedProgram, TimingRequest, time_programs

DROP = 1.25
"""Candidates slower than the fastest by this are not timed to the end."""
ALLOWANCE_S = 20.0
"""Seconds beyond those asked for, after which a timing process counts as hung: its start, and calls of very slow candidates."""
LARGEST_OPERANDS_BYTES = 2 << 30
"""Weights in all their layouts and copies that are held at a time; more candidates are timed in several processes."""


@dataclass
class Measurement:
    """Seconds that the kernel's calls take in one run of the program, by round, for each set of sizes.

    `reference` has those of the first candidate in the same process and rounds. `problem` says why there are none.
    """

    totals: tuple[tuple[float, ...], ...] = ()
    reference: tuple[tuple[float, ...], ...] = ()
    problem: str | None = None

    @property
    def best(self) -> tuple[float, ...]:
        """The minimum of each set of sizes."""
        return tuple(min(rounds) for rounds in self.totals)

    @property
    def score(self) -> float:
        """Its time over that of the reference: the geometric mean over the sets of sizes of the ratios of minima. Below 1 is faster;
        infinite when there is a problem."""
        if self.problem is not None:
            return math.inf
        return statistics.geometric_mean(min(own) / min(reference) for own, reference in zip(self.totals, self.reference))


@dataclass
class Measurer:
    """Times candidates of one kernel for `target`. `directory` takes the files of operands and code."""

    subject: Subject
    target: Target
    directory: Path
    threads: int
    cold_bytes: int
    allowance_s: float = ALLOWANCE_S
    _files: OperandFiles = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self._files = OperandFiles(self.directory, self.subject.weights)

    def measure(self, programs: Sequence[CandidateProgram], seconds: float, rounds: int = 60, drop: float = DROP) -> list[Measurement]:
        """Time `programs` in turn for about `seconds`; the first is the reference that results are compared with.

        Raises WorkerError when the reference itself crashes or hangs.
        """
        measured: dict[int, Measurement] = {}
        groups = self._groups(programs)
        for group in groups:
            self._measure_group(programs, [0, *group], seconds / len(groups), rounds, drop, measured)
        return [measured[i] for i in range(len(programs))]

    def _groups(self, programs: Sequence[CandidateProgram]) -> list[list[int]]:
        """The numbers of all programs but the first, in groups whose weights fit into memory together with those of the first."""
        plain = sum(to_expr(info.nbytes).evaluate({}) for info in self.subject.weights.values())
        forms = max(1, LARGEST_OPERANDS_BYTES // max(1, plain, min(self.cold_bytes, plain * 1024)) - 1)
        groups: list[list[int]] = [[]]
        own = repr(programs[0].layouts)
        seen: set[str] = set()
        for number, form in sorted(((i, repr(p.layouts)) for i, p in enumerate(programs[1:], 1)), key=lambda item: (item[1], item[0])):
            if form not in (own, *seen):
                if len(seen) == forms:
                    groups.append([])
                    seen.clear()
                seen.add(form)
            groups[-1].append(number)
        return [sorted(group) for group in groups]

    def _measure_group(
        self,
        programs: Sequence[CandidateProgram],
        left: list[int],
        seconds: float,
        rounds: int,
        drop: float,
        measured: dict[int, Measurement],
    ) -> None:
        while True:
            try:
                times = self._time([programs[i] for i in left], seconds, rounds, drop)
            except _CandidateDied as died:
                culprit = left[died.number]
                if died.number == 0:
                    raise WorkerError(
                        f"timing the kernel @{self.subject.name} made its process stop: it {died.death}",
                        where=self.subject.name,
                        why=f"{died.death.evidence}\nschedule: {dict(programs[culprit].schedule)}".strip(),
                        remedy="tune the others by --kernel, and report the crash with this schedule",
                    ) from died
                measured[culprit] = Measurement(problem=f"its process {died.death}")
                left.remove(culprit)
                continue
            reference = self._totals(times[0])
            for i, one in zip(left, times):
                totals = self._totals(one) if one.problem is None else ()
                measured[i] = Measurement(totals, reference, one.problem)
            return

    def _time(self, programs: Sequence[CandidateProgram], seconds: float, rounds: int, drop: float) -> list[ProgramTimes]:
        state = self.directory / "running"
        state.write_bytes(bytes(8))
        timed = tuple(self._program(program) for program in programs)
        self._files.forget(
            [file for program in timed for file in program.weights] + [f for c in self._cases(programs[0]) for f in c.inputs]
        )
        request = TimingRequest(
            timed,
            self._cases(programs[0]),
            self.threads,
            self.cold_bytes,
            seconds,
            rounds,
            drop,
            str(state),
            self.target.name,
            self.target.requires,
        )
        task = functools.partial(time_programs, request)
        outcome = run_isolated(task, timeout_s=seconds * 2 + self.allowance_s, method="spawn")
        for program in timed:
            Path(program.shared_object).unlink(missing_ok=True)
        if isinstance(outcome, Finished):
            return outcome.value
        raise _CandidateDied(int.from_bytes(state.read_bytes(), "little"), outcome)

    def _program(self, program: CandidateProgram) -> TimedProgram:
        path = self.directory / f"candidate{self._count}.so"
        self._count += 1
        path.write_bytes(program.shared_object)
        interface = program.interface
        weights = tuple(self._files.weight(use, layout) for use, layout in zip(interface.weights, program.layouts))
        arena, scratch = (
            tuple(parse(text).evaluate(case.values) for case in self.subject.cases)
            for text in (interface.arena_bytes, interface.scratch_bytes)
        )
        return TimedProgram(str(path), program.symbol, weights, arena, scratch)

    def _cases(self, program: CandidateProgram) -> tuple[TimedCase, ...]:
        return tuple(
            TimedCase(
                tuple(self._files.inputs(program.interface.inputs, case.values)),
                tuple((_shape(port.shape, case.values), port.dtype) for port in program.interface.outputs),
                tuple(case.values[name] for name, _, _ in program.interface.symbols),
                case.calls,
                case.size_set,
            )
            for case in self.subject.cases
        )

    def _totals(self, times: ProgramTimes) -> tuple[tuple[float, ...], ...]:
        sets: list[list[float]] = [[0.0] * len(times.samples[0]) for _ in range(self.subject.size_sets)]
        for case, samples in zip(self.subject.cases, times.samples):
            sets[case.size_set] = [total + case.calls * s for total, s in zip(sets[case.size_set], samples)]
        return tuple(tuple(rounds) for rounds in sets)


class _CandidateDied(Exception):
    def __init__(self, number: int, death: Death) -> None:
        super().__init__(str(death))
        self.number = number
        self.death = death


def _shape(shape: Sequence[str], values: Values) -> tuple[int, ...]:
    return tuple(parse(size).evaluate(values) for size in shape)
