"""How a matmul with a packed right side is cut into blocks, and when its panels are asked for: rules from the target's caches.

Analysis alone. The right side is read once per block of rows, mostly from behind the second-level cache. So a block has as many rows as
leave room for panels, and while one panel is multiplied the next one is fetched. Where rows are few, no work can hide the reading of the
right side, and the kernel has to keep up with memory instead.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tilewright.dialects.tw.types import BYTES
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.matmul_instructions import OperandLayout
from tilewright.targets import Target

MOST_ROWS = 128
"""Rows of a block, rounded up to whole tiles: enough to make little of the time in which a panel comes from memory; the rows themselves
stay in the cache."""
SHORTEST_K_BLOCK = 256
"""Steps of k for which a tile's sums are worth loading and storing."""
FEWEST_UNITS = 16
"""Units of work which keep a few threads equally busy."""
NEAR_BYTES, FAR_BYTES = 3072, 24576
"""How far ahead of its use a panel is asked for (near, that of each right side): into the first-level cache where it is read once, into the
second-level one where a few tiles read it. Measured: with 16 rows 1.2 to 1.45 times as fast as without."""
STREAM_RATE = 8
"""Bytes per cycle that memory delivers to a core, roughly: what multiplies them faster waits for them."""
STREAMED_BYTES = 128
"""Of a row of the panels that come from memory. Measured with 1 to 8 rows: with 64 they are as fast on huge pages and 0.85 times as fast
on small ones, with 256 or more 0.9 times as fast on huge pages and up to 1.07 times on small ones."""
MOST_CONVERSIONS = 1
"""Of a vector that comes from memory. Measured with 16 rows: narrow panels of pairs of bf16 are 1.27 times as fast as wide ones, those of
f16, which takes two instructions, 0.85 times."""


@dataclass(frozen=True)
class PackedSizes:
    """Sizes of a matmul by packed right sides: rows at their fewest and most, columns (of all ranges), elements along k, and how many
    right sides there are.
    """

    fewest_rows: int
    most_rows: int
    columns: int
    depth: int
    sides: int = 1


def stream_schedule(sizes: PackedSizes, layout: OperandLayout, target: Target) -> MatmulSchedule | None:
    """The schedule of a matmul that waits for a right side which no cache of a core holds: one tile of all rows; None for others.

    Two right sides take so many registers that some rows may be left: they read a panel again where the first tile brought it, in the
    first-level cache.
    """
    lanes = target.vector_lanes(32)
    rate = 4 * lanes * target.fma_units / sizes.most_rows if sizes.most_rows else 0.0
    if layout.conversions > MOST_CONVERSIONS or rate < STREAM_RATE or _rhs_bytes(sizes, layout) <= target.caches.l2:
        return None
    vectors, tallest = max(1, STREAMED_BYTES // (target.vector_bits // 8) // sizes.sides), 0
    while vectors and (tallest := _tallest(vectors * sizes.sides, layout, target)) < sizes.most_rows:
        vectors //= 2
    if not vectors and (sizes.sides == 1 or tallest < 1):
        return None
    mr, nr = min(tallest, sizes.most_rows), max(vectors, 1) * lanes
    tile = read_once(MatmulSchedule(mr, nr, mr, unroll=4, sides=sizes.sides, source="rule:stream"), layout)
    return dataclasses.replace(tile, mb=-(-sizes.most_rows // mr) * mr)


def _tallest(vectors: int, layout: OperandLayout, target: Target) -> int:
    """Rows of the tallest tile of so many vectors."""
    return (target.vector_registers - layout.spare_registers - 1) // vectors - layout.rhs_registers


def read_once(schedule: MatmulSchedule, layout: OperandLayout) -> MatmulSchedule:
    """`schedule`, whose tile holds all rows so that a panel is read once, with its prefetches."""
    ahead = NEAR_BYTES * schedule.sides // _row_bytes(schedule, layout)
    return dataclasses.replace(schedule, mb=schedule.mr, prefetch_rhs=ahead, prefetch_level=1, rhs="packed")


def block_schedule(schedule: MatmulSchedule, sizes: PackedSizes, layout: OperandLayout, target: Target) -> MatmulSchedule:
    """`schedule` with blocks, groups of panels and prefetches.

    Where a block of rows and two panels take more than three fifths of the second-level cache (measured: with less it is 1.02 times as
    slow, with more up to 1.05 times as fast), k is split, so that the rows take an eighth of it and the sums that wait a tenth.
    """
    mr, nr, sides, l2 = schedule.mr, schedule.nr, schedule.sides, target.caches.l2
    lhs_bytes = BYTES[layout.lhs]
    rows = -(-min(MOST_ROWS, l2 // 4 // (SHORTEST_K_BLOCK * lhs_bytes)) // mr) * mr
    mb = min(rows, -(-sizes.most_rows // mr) * mr)
    k_block, panels = 0, 1
    if mb * sizes.depth * lhs_bytes + 2 * _row_bytes(schedule, layout) * sizes.depth // layout.group > l2 * 3 // 5:
        k_block = _even(sizes.depth, max(SHORTEST_K_BLOCK, l2 // 8 // (rows * lhs_bytes)))
        units = max(1, -(-sizes.fewest_rows // mb)) * -(-sizes.columns // nr)
        # Two right sides have twice the sums and panels: groups of them measured 5 % slower than one at a time.
        panels = 1 if sides > 1 else max(1, min(l2 // 10 // (mb * nr * BYTES[layout.acc]), units // FEWEST_UNITS))
    far = FAR_BYTES // _row_bytes(schedule, layout)
    return dataclasses.replace(schedule, mb=mb, k_block=k_block, panels=panels, prefetch_next=True, prefetch_rhs=far, rhs="packed")


def _row_bytes(schedule: MatmulSchedule, layout: OperandLayout) -> int:
    """Bytes of a group of rows along k of the panels of all right sides."""
    return schedule.nr * schedule.sides * layout.group * BYTES[layout.panels]


def _rhs_bytes(sizes: PackedSizes, layout: OperandLayout) -> int:
    return sizes.columns * sizes.sides * sizes.depth * BYTES[layout.panels]


def _even(depth: int, largest: int) -> int:
    """The size of equal blocks, the fewest that are about `largest`, in steps that suit every instruction."""
    size = -(-depth // -(-depth // largest))
    return -(-size // 32) * 32
