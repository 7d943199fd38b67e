"""What a timing process does: load candidates, compare their results with those of the first, and time them in turn.

It needs the runtime and NumPy alone, so that it starts quickly. A candidate that crashes takes this process along: the file of the
request's `state` holds the number of the one that runs.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.core.diagnostics import ToolchainError
from tilewright.runtime.loader import load_shared_object
from tilewright.runtime.openmp import OpenMP, find_openmp
from tilewright.runtime.tile_permission import require_tile_permission
from tilewright.runtime.workspace import ALIGNMENT, Plan, Workspace

SAMPLE_S = 2e-4
"""A sample repeats the call until it takes this long; the resolution of the clock and the cost of the call from Python are below 1 %."""
SCREENING_ROUNDS = 3
WALKS = 2
"""Last-level caches that take what falls out of the second level keep lines that were read again, not those that were read once."""
TOLERANCES = {"f32": 1e-4, "f64": 1e-9, "f16": 4e-3, "bf16": 3e-2}
"""Of a result relative to its largest element: candidates add in other orders."""
INTEGER_MISMATCHES = 1e-3
"""Share of elements of an integer result that may differ: sums in f32 that lie at the edge of two integers."""


@dataclass(frozen=True)
class TimedCase:
    """Operands of one call: files of the inputs, shapes and dtype names of the results, and the values of the symbols in the program's
    order. The program makes the call `calls` times at the set of sizes number `size_set`."""

    inputs: tuple[str, ...]
    outputs: tuple[tuple[tuple[int, ...], str], ...]
    symbols: tuple[int, ...]
    calls: int
    size_set: int


@dataclass(frozen=True)
class TimedProgram:
    """A candidate: its shared object, the files of its weights in its own layouts, and the bytes of arena and scratch for each case."""

    shared_object: str
    symbol: str
    weights: tuple[str, ...]
    arena_bytes: tuple[int, ...]
    scratch_bytes: tuple[int, ...]


@dataclass(frozen=True)
class TimingRequest:
    """Programs for `target`, which requires the CPU flags `requires`, to compare; the first is the reference.

    Weights are rotated over copies of `cold_bytes` in all, and all copies are read before each sample, so that weights come from where
    they come from in the whole program, whatever the other candidates read. Rounds are made until `seconds` have passed (until twice
    that, for the first `SCREENING_ROUNDS`), at most `rounds`; after the first ones, programs slower than `drop` times the fastest are
    left out.
    """

    programs: tuple[TimedProgram, ...]
    cases: tuple[TimedCase, ...]
    threads: int
    cold_bytes: int
    seconds: float
    rounds: int
    drop: float
    state: str
    target: str
    requires: tuple[str, ...]


@dataclass(frozen=True)
class ProgramTimes:
    """Seconds of a call, by case and round. `problem` says why there are none."""

    samples: tuple[tuple[float, ...], ...] = ()
    problem: str | None = None


def time_programs(request: TimingRequest, report: Callable[[object], None]) -> list[ProgramTimes]:
    """Compare and time the programs of a request. `report` gets the number of each round."""
    require_tile_permission(request.requires, request.target)
    state: Any = np.memmap(request.state, np.int64, "r+", shape=(1,))
    weights: dict[tuple[str, ...], _Weights] = {}
    runners: dict[int, _Runner] = {}
    problems: dict[int, str] = {}
    expected: list[list[np.ndarray]] = []
    for number, program in enumerate(request.programs):
        state[0] = number
        if program.weights not in weights:
            weights[program.weights] = _Weights(program.weights, request.cold_bytes)
        runner = _Runner(program, request.cases, request.threads, weights[program.weights])
        results = [runner.results(i) for i in range(len(request.cases))]
        if number == 0:
            expected = results
        problem = _difference(results, expected, request.cases)
        if problem is None:
            runners[number] = runner
        else:
            problems[number] = problem
    for i in range(len(request.cases)):
        repeats = _repeats(runners[0], i)
        for runner in runners.values():
            runner.repeats[i] = repeats
    _time(request, runners, state, report)
    return [
        ProgramTimes(problem=problems[n]) if n in problems else ProgramTimes(tuple(tuple(s) for s in runners[n].samples))
        for n in range(len(request.programs))
    ]


def _time(request: TimingRequest, runners: dict[int, _Runner], state: Any, report: Callable[[object], None]) -> None:
    active = list(runners)
    began = time.perf_counter()
    gc.disable()
    for done in range(request.rounds):
        elapsed = time.perf_counter() - began
        if elapsed > request.seconds * (1 if done >= SCREENING_ROUNDS else 2) and done:
            break
        report(done)
        # The order turns, so that none is always first, and between two samples of one all others have theirs.
        for number in active[done % len(active) :] + active[: done % len(active)]:
            state[0] = number
            for i in range(len(request.cases)):
                runners[number].sample(i)
        if done + 1 == SCREENING_ROUNDS:
            totals = {number: runners[number].total(request.cases) for number in active}
            active = [number for number in active if number == 0 or totals[number] <= request.drop * min(totals.values())]


class _Weights:
    """Copies of the weights in the form of some candidates: for each copy the table of pointers that a call takes."""

    def __init__(self, files: tuple[str, ...], cold_bytes: int) -> None:
        plain = [np.fromfile(file, np.uint8) for file in files]
        size = sum(array.nbytes for array in plain)
        copies = max(1, -(-cold_bytes // size)) if size else 1
        self._copies = [[_mapped(array) for array in plain] for _ in range(copies)]
        self._tables = [(ctypes.c_void_p * max(1, len(files)))(*(array.ctypes.data for array in copy)) for copy in self._copies]
        self.addresses = [ctypes.addressof(table) for table in self._tables]
        self.next = 0
        """The copy that was not used for longest, modulo their number."""

    def walk(self) -> None:
        """Read all copies `WALKS` times, the one to be used next first."""
        start = self.next % len(self._copies)
        for copy in (self._copies[start:] + self._copies[:start]) * WALKS:
            for array in copy:
                _read(array)


class _Runner:
    """One loaded candidate with its operands for every case."""

    def __init__(self, program: TimedProgram, cases: tuple[TimedCase, ...], threads: int, weights: _Weights) -> None:
        self._library = load_shared_object(Path(program.shared_object).read_bytes(), "a candidate")
        address = ctypes.cast(getattr(self._library, program.symbol), ctypes.c_void_p).value or 0
        self._function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(address)
        self._weights = weights
        self._calls: list[tuple[Workspace, list[np.ndarray], list[np.ndarray]]] = []
        self._cases = cases
        for i, case in enumerate(cases):
            inputs = [_copied(np.fromfile(file, np.uint8)) for file in case.inputs]
            outputs = [_aligned(int(np.prod(shape)) * _storage(dtype).itemsize) for shape, dtype in case.outputs]
            workspace = Workspace(len(inputs), len(outputs), weights.addresses[0])
            workspace.inputs[: len(inputs)] = [array.ctypes.data for array in inputs]
            workspace.outputs[: len(outputs)] = [array.ctypes.data for array in outputs]
            workspace.prepare(Plan(case.symbols, (), program.arena_bytes[i], program.scratch_bytes[i], threads, _openmp(threads)))
            self._calls.append((workspace, inputs, outputs))
        self.samples: list[list[float]] = [[] for _ in cases]
        self.repeats = [1] * len(cases)

    def results(self, case: int) -> list[np.ndarray]:
        """Call once; copies of the results, as floats where they are. What the call leaves unwritten is NaN or -1."""
        workspace, _, outputs = self._calls[case]
        for array in outputs:
            array.fill(0xFF)
        self._function(workspace.reference)
        return [_readable(array, dtype) for array, (_, dtype) in zip(outputs, self._cases[case].outputs)]

    def seconds(self, case: int, repeats: int) -> float:
        """Seconds of one call, of `repeats` in a row, each with the next copy of the weights."""
        workspace = self._calls[case][0]
        record, reference, function = workspace.record, workspace.reference, self._function
        addresses, following = self._weights.addresses, self._weights.next
        count = len(addresses)
        began = time.perf_counter()
        for _ in range(repeats):
            record.weights = addresses[following % count]
            following += 1
            function(reference)
        elapsed = time.perf_counter() - began
        self._weights.next = following
        return elapsed / repeats

    def sample(self, case: int) -> None:
        """Time the case once, with weights as cold and inputs as warm as they are in a program."""
        self._weights.walk()
        for array in self._calls[case][1]:
            _read(array)
        self.samples[case].append(self.seconds(case, self.repeats[case]))

    def total(self, cases: tuple[TimedCase, ...]) -> float:
        """Seconds of all calls of the program, from the minima so far."""
        return sum(case.calls * min(samples) for case, samples in zip(cases, self.samples))


def _repeats(runner: _Runner, case: int) -> int:
    """How many calls make a sample long enough."""
    once = min(runner.seconds(case, 1) for _ in range(3))
    return max(1, round(SAMPLE_S / max(once, 1e-7)))


def _difference(results: list[list[np.ndarray]], expected: list[list[np.ndarray]], cases: tuple[TimedCase, ...]) -> str | None:
    for case, actual_of_case, expected_of_case in zip(cases, results, expected):
        for (_, dtype), actual, wanted in zip(case.outputs, actual_of_case, expected_of_case):
            if dtype not in TOLERANCES:
                share = float(np.mean(actual != wanted)) if actual.size else 0.0
                if share > INTEGER_MISMATCHES:
                    return f"{share:.1%} of the elements of a result differ from those of the rule's schedule"
                continue
            finite = wanted[np.isfinite(wanted)]
            scale = float(np.max(np.abs(finite), initial=1e-30))
            if not np.allclose(actual, wanted, rtol=0, atol=TOLERANCES[dtype] * scale, equal_nan=True):
                if not np.array_equal(np.isnan(actual), np.isnan(wanted)):
                    return "a result is not written or NaN where that of the rule's schedule is a number"
                worst = float(np.nanmax(np.abs(actual - wanted))) / scale
                return f"a result differs from that of the rule's schedule by {worst:.1e} of its largest element"
    return None


def _openmp(threads: int) -> OpenMP | None:
    found = find_openmp() if threads > 1 else None
    if threads > 1 and found is None:
        raise ToolchainError(
            f"{threads} threads cannot be timed", why="there is no OpenMP runtime", remedy="`apt-get install libgomp1`, or --threads 1"
        )
    return found


def _aligned(nbytes: int) -> np.ndarray:
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


def _mapped(array: np.ndarray) -> np.ndarray:
    """A copy in pages like those of a mapped file, which is where the runtime has weights: never huge ones by luck."""
    copy = np.frombuffer(mmap.mmap(-1, max(1, array.nbytes)), np.uint8, array.nbytes)
    copy[:] = array
    return copy


def _copied(array: np.ndarray) -> np.ndarray:
    copy = _aligned(array.nbytes)
    copy[:] = array
    return copy


def _read(array: np.ndarray) -> None:
    whole = array[: array.nbytes // 8 * 8].view(np.uint64)
    if whole.size:
        whole.max()


def _storage(dtype: str) -> np.dtype[Any]:
    names = {"f16": "float16", "f32": "float32", "f64": "float64", "i1": "uint8", "bf16": "uint16"}
    return np.dtype(names.get(dtype, dtype.replace("i", "int")))


def _readable(raw: np.ndarray, dtype: str) -> np.ndarray:
    stored = raw.view(_storage(dtype))
    if dtype == "bf16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32) if dtype == "f16" else stored.copy()
