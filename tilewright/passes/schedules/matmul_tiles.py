"""The rule for the schedule of a matmul on tile registers (AMX). Analysis alone."""

from __future__ import annotations

from tilewright.core.symbolic import Dim, to_expr
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.tile_registers import ACCUMULATORS
from tilewright.targets import MatrixInstruction, Target

FEWEST_TILE_ROWS = 6
"""With fewer rows memory decides, and vectors keep more of it on its way: measured 1.15 times as fast with one row."""
LARGEST_IN_PLACE = 1024
"""Bytes of a row of the left side up to which 16 rows are read where they are: measured, rows further apart meet in cache sets."""
FEWEST_ROWS, MOST_ROWS = 128, 256
"""Rows of a block: measured, with fewer the panels are read too often, with more the rows leave the second-level cache."""
PREFETCH_BYTES = 1024
"""How far ahead of its use a panel is asked for where it is read once, by a few rows: measured, both less and more are slower."""


def tile_schedule(
    m: Dim, n: Dim, k: Dim, record: MatrixInstruction, element_bytes: int, target: Target, ranges: dict[str, tuple[int, int]], sides: int
) -> MatmulSchedule:
    """The schedule for `m` rows (at their most), `n` columns of each of `sides` right sides and `k` inner elements.

    Two tiles of rows by two of columns where there are rows enough, else one by up to four. A block of k of a panel takes two thirds of
    the first-level cache, a block of rows a quarter of the second-level one.
    """
    most_rows = max(1, to_expr(m).bounds(ranges)[1])
    depth = k if isinstance(k, int) else to_expr(k).bounds(ranges)[1]
    tall = most_rows > record.m
    widest = (2 if tall else ACCUMULATORS) // sides
    columns = -(-n // record.n) if isinstance(n, int) else widest
    nr = record.n * max(1, min(widest, columns))
    mr = 2 * record.m if tall else record.m
    row_bytes = depth * element_bytes
    block = max(FEWEST_ROWS, min(MOST_ROWS, target.caches.l2 // 4 // max(row_bytes, 1))) // mr * mr
    k_block = target.caches.l1 * 2 // 3 // (nr * sides * element_bytes) // record.k * record.k
    return MatmulSchedule(
        mr,
        nr,
        block,
        unroll=1,
        prefetch_next=tall,
        k_block=k_block if depth > k_block and tall else 0,
        copy_lhs=tall and row_bytes > LARGEST_IN_PLACE,
        instruction=record.name,
        sides=sides,
        source="rule:tiles",
    )
