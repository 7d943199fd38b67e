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
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects import tw
from tilewright.passes.schedules.kernel_identity import matmul_shapes
from tilewright.passes.schedules.matmul import KIND, MatmulSchedule, check_matmul_schedule
from tilewright.passes.schedules.matmul_instructions import LAYOUTS, find_record, why_unfit
from tilewright.passes.schedules.matmul_rule import FMA_LATENCY, LOADS_PER_CYCLE
from tilewright.targets import MatrixInstruction, Target

LARGEST_TILE_ROWS = 16
LARGEST_TILE_VECTORS = 6
TILES, OTHER_TILES = 16, 5
"""How many tiles are proposed for the instruction of the schedule, and for each other one: those of the least estimated time, with some
of every width among them."""
BLOCK_ROWS = (32, 64, 128, 256, 512, 1024)
K_BLOCKS = (128, 256, 512, 1024, 2048)
UNROLLS = (1, 2, 4, 8)
PANELS = (1, 4, 8)
PREFETCH_STEPS = (0, 16, 64, 128, 256)


@dataclass(frozen=True)
class Sizes:
    """The sizes of a matmul for which its schedule is tuned."""

    m: int
    n: int
    k: int


@dataclass(frozen=True)
class Problem:
    """What candidates depend on besides the schedule they start from: `instructions` are those that fit the kernel's operands."""

    target: Target
    sizes: tuple[Sizes, ...]
    instructions: tuple[str, ...]

    @property
    def most_rows(self) -> int:
        return max(size.m for size in self.sizes)


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
    sizes = tuple(Sizes(*(to_expr(dim).evaluate(v) for dim in (shape.m, shape.n, shape.k))) for v in values for shape in shapes)
    problem = Problem(target, sizes, _instructions(function, shapes[0].k, target))
    found = dict.fromkeys(s for s in STAGES[stage](base, problem) if check_matmul_schedule(s, target) is None)
    return [s.attributes() for s in found if s != base]


def _instructions(function: ir.OpView | ir.Operation, k: Dim, target: Target) -> tuple[str, ...]:
    matmul = next(op.operation for op in function.operation.regions[0].blocks[0].operations if tw.is_op(op, "matmul"))
    dtype = tw.tensor_info(matmul.operands[1]).dtype
    return tuple(name for name in LAYOUTS.get(dtype, {}) if find_record(target, name) is not None and why_unfit(name, dtype, k) is None)


def _tiles(base: MatmulSchedule, problem: Problem) -> Iterator[MatmulSchedule]:
    """Other sizes of the tile in registers, the blocks kept as they are but for whole tiles; also by the other instructions."""
    for name in sorted(problem.instructions, key=lambda name: name != base.instruction):
        record = find_record(problem.target, name)
        if record is not None:
            count = TILES if name == base.instruction else OTHER_TILES
            yield from _tiles_by(dataclasses.replace(base, instruction=name), record, problem, count)


def _tiles_by(base: MatmulSchedule, record: MatrixInstruction, problem: Problem, count: int) -> list[MatmulSchedule]:
    width = max(record.n, problem.target.vector_lanes(32))
    tallest = max(record.m, min(LARGEST_TILE_ROWS * record.m, problem.most_rows))
    legal = [
        tile
        for vectors in range(1, LARGEST_TILE_VECTORS + 1)
        for mr in range(record.m, tallest + 1, record.m)
        if check_matmul_schedule(tile := _with_tile(base, mr, vectors * width), problem.target) is None
    ]
    ordered = sorted(legal, key=lambda tile: (_estimate(tile, record, problem), tile.nr, -tile.mr))
    # The estimate does not see everything: half of the tiles are the best of each width.
    chosen = ordered[: (count + 1) // 2]
    widths: dict[int, int] = {}
    for tile in ordered:
        widths[tile.nr] = widths.get(tile.nr, 0) + 1
        if widths[tile.nr] <= 2 and tile not in chosen and len(chosen) < count:
            chosen.append(tile)
    return chosen


def _with_tile(base: MatmulSchedule, mr: int, nr: int) -> MatmulSchedule:
    return dataclasses.replace(base, mr=mr, nr=nr, mb=-(-base.mb // mr) * mr)


def _estimate(tile: MatmulSchedule, record: MatrixInstruction, problem: Problem) -> float:
    """Cycles of a tile's step along k per product, by the longest of multiply-adds, loads and latency, padding included; summed over
    sizes."""
    rows, columns = tile.mr // record.m, tile.nr // record.n * tile.sides
    cycles = max(rows * columns / problem.target.fma_units, (rows + columns) / LOADS_PER_CYCLE, FMA_LATENCY)
    return sum(-(-s.m // tile.mr) * -(-s.n // tile.nr) * cycles / (s.m * s.n) for s in problem.sizes if s.m and s.n)


def _blocks(base: MatmulSchedule, problem: Problem) -> Iterator[MatmulSchedule]:
    """Other numbers of rows in a block (all blocks that hold every row are one), blocks of k with panels in groups, and rows copied or
    read in place."""
    whole = -(-problem.most_rows // base.mr) * base.mr
    for block in BLOCK_ROWS:
        mb = -(-block // base.mr) * base.mr
        if mb < whole:
            yield dataclasses.replace(base, mb=mb)
    if base.mb < whole <= max(BLOCK_ROWS):
        yield dataclasses.replace(base, mb=whole)
    for k_block in (0, *K_BLOCKS):
        if k_block < max(size.k for size in problem.sizes):
            for panels in PANELS if k_block else (1,):
                yield dataclasses.replace(base, k_block=k_block, panels=panels)
    yield dataclasses.replace(base, copy_lhs=not base.copy_lhs)


def _unrolls(base: MatmulSchedule, problem: Problem) -> Iterator[MatmulSchedule]:
    record = find_record(problem.target, base.instruction)
    if record is None or record.tile:  # whose steps are long enough as they are
        return
    for unroll in UNROLLS:
        yield dataclasses.replace(base, unroll=unroll)


def _prefetches(base: MatmulSchedule, problem: Problem) -> Iterator[MatmulSchedule]:
    for steps in PREFETCH_STEPS:
        for level in (1, 2) if steps else (2,):
            yield dataclasses.replace(base, prefetch_rhs=steps, prefetch_level=level)
    yield dataclasses.replace(base, prefetch_next=not base.prefetch_next)
    yield dataclasses.replace(base, prefetch_results=not base.prefetch_results)


STAGES: dict[str, Callable[[MatmulSchedule, Problem], Iterator[MatmulSchedule]]] = {
    "tile": _tiles, "block": _blocks, "unroll": _unrolls, "prefetch": _prefetches,
}  # fmt: skip
"""What each stage varies, in order."""
