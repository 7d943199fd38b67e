"""The ceilings as a system, so that they are measured in turn with the systems that are compared with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.matmul.ceilings import peak_loop, read_loop
from benchmarks.matmul.operands import Operands
from benchmarks.matmul.systems import Variant
from tilewright.targets import find

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
    """Variants: `peak <instruction>` with flops as its work; where weights are rotated those of `READS`, with bytes."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)

    def prepare(self, case: Case, operands: Operands, copies: int, folder: Path) -> list[Variant]:
        target = find(case.target)
        loop = peak_loop(target, case.dtype)
        loop.run(1000)
        began = time.perf_counter()
        loop.run(100_000)
        iterations = int(1e5 * PEAK_SECONDS * self.threads**2 / (time.perf_counter() - began))
        work = iterations * loop.flops_per_iteration * self.threads
        peak = self._on_all_threads([lambda: loop.run(iterations)] * self.threads)
        variants = [Variant(f"peak {loop.instruction.name}", [peak], None, work)]
        if case.rotate:
            count = max(2, -(-copies * case.weight_bytes // (CHUNK * self.threads))) * self.threads
            memory = np.ones(count * CHUNK + 64, np.uint8)
            base = -(-memory.ctypes.data // 64) * 64
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
