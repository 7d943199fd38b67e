"""The ceilings as a system, so that they are measured in turn with the systems that are compared with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.suite.cases import Case
from benchmarks.suite.ceilings import peak_loop, read_loop
from benchmarks.suite.systems import NotApplicable, Variant
from tilewright.targets import Target, find

PEAK_SECONDS = 0.004
CHUNK = 64 << 20
"""Bytes that one thread reads in a call."""

READS: dict[str, tuple[int, int | None]] = {
    "dram": (1, None),
    "dram, nta": (1, 0),
    "dram, 4 streams": (4, None),
    "dram, 4 streams, t1": (4, 2),
}
"""Forms of the loop that reads: streams, locality of prefetches."""


class System:
    """Variants: `peak <instruction>` with flops as its work; where operands are rotated those of `READS`, with bytes."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)

    def prepare(self, case: Case, operands: Any, copies: int, folder: Path) -> list[Variant]:
        target = find(case.target)
        variants = [] if case.peak_dtype is None else [self._peak(target, case.peak_dtype)]
        if case.rotate:
            variants += self._reads(target, copies * case.rotated_bytes)
        if not variants:
            raise NotApplicable("no limit of the machine bounds the case")
        return variants

    def _peak(self, target: Target, dtype: str) -> Variant:
        loop = peak_loop(target, dtype)
        loop.run(1000)
        began = time.perf_counter()
        loop.run(100_000)
        iterations = int(1e5 * PEAK_SECONDS * self.threads**2 / (time.perf_counter() - began))
        work = iterations * loop.flops_per_iteration * self.threads
        call = self._on_all_threads([lambda: loop.run(iterations)] * self.threads)
        return Variant(f"peak {loop.instruction.name}", [call], None, work)

    def _reads(self, target: Target, nbytes: int) -> list[Variant]:
        count = max(2, -(-nbytes // (CHUNK * self.threads))) * self.threads
        memory = np.ones(count * CHUNK + 64, np.uint8)
        base = -(-memory.ctypes.data // 64) * 64
        variants: list[Variant] = []
        for name, (streams, locality) in READS.items():
            read = read_loop(target, CHUNK, streams, locality)

            def reader(first: int, read: Callable[[int], None] = read) -> Callable[[], object]:
                parts = [base + (first + i) * CHUNK for i in range(self.threads)]
                return self._on_all_threads([lambda at=at, keep=memory: read(at) for at in parts])

            calls = [reader(first) for first in range(0, count, self.threads)]
            variants.append(Variant(name, calls, None, CHUNK * self.threads))
        return variants

    def _on_all_threads(self, parts: Sequence[Callable[[], object]]) -> Callable[[], object]:
        if len(parts) == 1:
            return parts[0]
        return lambda: list(self.pool.map(lambda part: part(), parts))
