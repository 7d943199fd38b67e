"""The legal alternatives of a matmul kernel's schedule, for a tuner that measures them.

The fields are varied in stages, those with the largest effect first; each stage starts from the best schedule so far. What is proposed
is deterministic, ordered from the most to the least promising, and passes `check_matmul_schedule`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.core.symbolic import to_expr
from tilewright.passes.schedules.kernel_identity import matmul_shapes
from tilewright.passes.schedules.matmul import KIND, MatmulSchedule, check_matmul_schedule, find_record
from tilewright.passes.schedules.matmul_rule import FMA_LATENCY, LOADS_PER_CYCLE
from tilewright.targets import MatrixInstruction, Target

LARGEST_TILE_ROWS = 16
LARGEST_TILE_VECTORS = 6
TILES = 16
"""How many tiles are proposed at most for an instruction: those of the least estimated time, but two of each width."""
BLOCK_ROWS = (32, 64, 128, 256, 512, 1024)
K_BLOCKS = (128, 256, 512, 1024, 2048)
UNROLLS = (1, 2, 4, 8)
PREFETCH_STEPS = (0, 16, 64, 128, 256)


@dataclass(frozen=True)
class Sizes:
    """The sizes of a matmul for which its schedule is tuned."""

    m: int
    n: int
    k: int


Proposals = Callable[[MatmulSchedule, Target, Sequence[Sizes]], Iterator[MatmulSchedule]]


def candidates(
    function: ir.OpView | ir.Operation, schedule: Mapping[str, Any], target: Target, stage: str, values: Sequence[Mapping[str, int]]
) -> list[dict[str, Any]]:
    """The schedules to try in `stage` (one of STAGES) for a kernel function whose best schedule so far is `schedule`, without it.

    `values` are the sizes of the kernel's symbols at which it will be measured. The results are entries of `tw.schedule`; they are
    none for kernels of another kind than matmul.
    """
    if schedule.get("kind") != KIND:
        return []
    base = MatmulSchedule.from_attributes(schedule)
    shapes = matmul_shapes(function)
    sizes = [Sizes(*(to_expr(dim).evaluate(v) for dim in (shape.m, shape.n, shape.k))) for v in values for shape in shapes]
    found = dict.fromkeys(s for s in STAGES[stage](base, target, sizes) if check_matmul_schedule(s, target) is None)
    return [s.attributes() for s in found if s != base]


def _tiles(base: MatmulSchedule, target: Target, sizes: Sequence[Sizes]) -> Iterator[MatmulSchedule]:
    """Other sizes of the tile in registers, the blocks kept as they are but for whole tiles; also by other instructions for the same
    element types."""
    own = find_record(target, base.instruction)
    if own is None:
        return
    yield from _tiles_by(base, own, target, sizes)
    for other in target.matrix_instructions:
        if other.name != own.name and (other.lhs, other.rhs, other.acc) == (own.lhs, own.rhs, own.acc):
            yield from _tiles_by(dataclasses.replace(base, instruction=other.name), other, target, sizes)


def _tiles_by(base: MatmulSchedule, record: MatrixInstruction, target: Target, sizes: Sequence[Sizes]) -> Iterator[MatmulSchedule]:
    columns = max(record.n, target.vector_lanes(32))
    tallest = max(record.m, min(LARGEST_TILE_ROWS * record.m, max(size.m for size in sizes)))
    legal = [
        tile
        for vectors in range(1, LARGEST_TILE_VECTORS + 1)
        for mr in range(record.m, tallest + 1, record.m)
        if check_matmul_schedule(tile := _with_tile(base, mr, vectors * columns), target) is None
    ]
    ordered = sorted(legal, key=lambda tile: (_estimate(tile, record, target, sizes), tile.nr, -tile.mr))
    widths: dict[int, int] = {}
    for rank, tile in enumerate(ordered):
        widths[tile.nr] = widths.get(tile.nr, 0) + 1
        if rank < TILES // 2 or (widths[tile.nr] <= 2 and sum(widths.values()) <= TILES * 4):
            yield tile


def _with_tile(base: MatmulSchedule, mr: int, nr: int) -> MatmulSchedule:
    return dataclasses.replace(base, mr=mr, nr=nr, mb=-(-base.mb // mr) * mr)


def _estimate(tile: MatmulSchedule, record: MatrixInstruction, target: Target, sizes: Sequence[Sizes]) -> float:
    """Cycles of a tile's step along k per product, by the longest of multiply-adds, loads and latency, padding included; summed over
    sizes."""
    rows, columns = tile.mr // record.m, tile.nr // record.n * tile.sides
    cycles = max(rows * columns / target.fma_units, (rows + columns) / LOADS_PER_CYCLE, FMA_LATENCY)
    return sum(-(-s.m // tile.mr) * -(-s.n // tile.nr) * cycles / (s.m * s.n) for s in sizes if s.m and s.n)


def _blocks(base: MatmulSchedule, target: Target, sizes: Sequence[Sizes]) -> Iterator[MatmulSchedule]:
    """Other numbers of rows in a block (all blocks that hold every row are one), then blocks of k."""
    rows = max(size.m for size in sizes)
    whole = -(-rows // base.mr) * base.mr
    for block in BLOCK_ROWS:
        mb = -(-block // base.mr) * base.mr
        if mb < whole:
            yield dataclasses.replace(base, mb=mb)
    if base.mb < whole <= max(BLOCK_ROWS):
        yield dataclasses.replace(base, mb=whole)
    for k_block in (0, *K_BLOCKS):
        if k_block < max(size.k for size in sizes):
            yield dataclasses.replace(base, k_block=k_block)


def _loops(base: MatmulSchedule, target: Target, sizes: Sequence[Sizes]) -> Iterator[MatmulSchedule]:
    for unroll in UNROLLS:
        yield dataclasses.replace(base, unroll=unroll)


def _prefetches(base: MatmulSchedule, target: Target, sizes: Sequence[Sizes]) -> Iterator[MatmulSchedule]:
    for steps in PREFETCH_STEPS:
        yield dataclasses.replace(base, prefetch_rhs=steps)
    yield dataclasses.replace(base, prefetch_results=not base.prefetch_results)


STAGES: dict[str, Proposals] = {"tile": _tiles, "block": _blocks, "unroll": _loops, "prefetch": _prefetches}
"""What each stage varies, in order."""
