"""Schedules of matmul kernels on CPUs: the value, what is legal, and the rule that chooses one.

Analysis alone: nothing here lowers anything.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MatmulSchedule:
    """How a matmul kernel is tiled.

    `mr` x `nr` accumulators stay in registers; rows are split into blocks of at most `mb`; the loop over k is unrolled `unroll`
    times; `prefetch_rhs` is how many steps of k ahead the panel is prefetched (0 = not); `rhs` is `packed` where the compiler
    packed the right side into panels and `plain` where it did not.
    """

    mr: int
    nr: int
    mb: int
    unroll: int = 1
    prefetch_rhs: int = 0
    prefetch_results: bool = False
    rhs: str = "plain"
    source: str = "rule:dense"
