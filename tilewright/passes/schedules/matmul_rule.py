"""The rule for the schedule of a matmul kernel on a CPU, from the target's registers, lanes and caches. Analysis alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects import tw
from tilewright.passes.schedules.matmul import LARGEST_BLOCK, MatmulSchedule, registers_needed
from tilewright.passes.schedules.matmul_blocks import PackedSizes, block_schedule, read_once, stream_schedule
from tilewright.passes.schedules.matmul_instructions import FMA, LAYOUTS, OperandLayout, best_instruction, find_record
from tilewright.passes.schedules.matmul_kernel import column_ranges, inner_size, is_packable, rhs_matrix
from tilewright.passes.schedules.matmul_tiles import FEWEST_TILE_ROWS, tile_schedule
from tilewright.targets import Target

FMA_LATENCY = 4
"""Cycles from one fused multiply-add to the next on the same accumulator, on all CPUs described so far."""
LOADS_PER_CYCLE = 2
LOAD_COST, STEP_COST, UNEVEN_COST = 0.1, 0.6, 0.01
"""Measured: cycles that a load costs beside full multiply-add units, that a step of k costs whatever its size (it favours large
tiles), and the share lost when heights do not divide the usual numbers of rows."""
PANEL_COST = 0.3
"""Measured: cycles that a vector costs besides when it comes from the second-level cache, which the first one's size makes the rule for
panels of several right sides: tall tiles read them less often. With 16 rows they are 1.3 times as fast as wide ones."""
WITHOUT_VECTOR_CODE = ("arith.remf", "math.fpowi", "math.ipowi")
"""Ops that LLVM would replace by library calls."""
MAX_VECTORS = 4
MAX_ROWS = 16
MAX_CONVERTED_ROWS = 12
"""Where right elements are converted: the constants and both forms of a vector take registers that the compiler does not economize."""
UNROLL = 4
"""Steps of k, where they are a multiply-add for each accumulator."""


def choose_matmul_schedule(function: ir.OpView, target: Target) -> dict[str, Any] | None:
    """The schedule of a kernel around matmuls of one left side on a CPU; None for other kernels, and for epilogues that the template
    lacks.

    Right sides are packed when they are weights that one matmul each reads as they are stored, as matrices or as the slices of
    `tw-split-reduction`; these where panels of the whole matrix hold the panels of each slice.
    """
    operations = list(function.operation.regions[0].blocks[0].operations)
    ranges = column_ranges(function)
    if target.is_gpu or not ranges or not all(_is_covered(op.operation) for op in operations[:-1]):
        return None
    matmuls = [matmul for columns in ranges for matmul in columns.matmuls]
    if len({matmul.operands[0] for matmul in matmuls}) != 1:
        return None
    result, rhs = tw.tensor_info(matmuls[0].results[0]), tw.tensor_info(matmuls[0].operands[1])
    packed = all(is_packable(function, rhs_matrix(m).value) for m in matmuls)
    # Leading dimensions are rows of one tall matmul when the right side does not have them.
    rows: Dim = result.shape[-2]
    if rhs.rank == 2:
        for size in result.shape[:-2]:
            rows = to_expr(rows) * size
    widest = max((tw.tensor_info(c.matmuls[0].results[0]).shape[-1] for c in ranges), key=lambda n: n if isinstance(n, int) else 0)
    sides, k = max(len(columns.matmuls) for columns in ranges), inner_size(matmuls[0])
    sizes = [tw.tensor_info(c.matmuls[0].results[0]).shape[-1] for c in ranges]
    all_columns = max(rhs_matrix(m).slices for m in matmuls) * sum(n for n in sizes if isinstance(n, int))
    schedule = product_schedule(rows, widest, k, rhs.dtype, target, tw.symbols_of(function), sides, packed, all_columns)
    if schedule is not None and packed and any(rhs_matrix(m).slices > 1 for m in matmuls):
        layout = LAYOUTS[rhs.dtype][schedule.instruction]
        if layout.lhs_offset or not isinstance(k, int) or k % layout.group:
            schedule = product_schedule(rows, widest, k, rhs.dtype, target, tw.symbols_of(function), sides)
    return None if schedule is None else schedule.attributes()


def product_schedule(
    rows: Dim,
    n: Dim,
    k: Dim,
    dtype: str,
    target: Target,
    ranges: dict[str, tuple[int, int]],
    sides: int = 1,
    packed: bool = False,
    all_columns: int = 0,
) -> MatmulSchedule | None:
    """The schedule for `rows` (at their most) of `k` elements of `dtype` by `n` columns of each of `sides` right sides, which are
    `packed` or not; None where the template has no instruction for them. `all_columns` are those of all ranges and of all slices, by
    default `n`.
    """
    tiles = to_expr(rows).bounds(ranges)[1] >= FEWEST_TILE_ROWS
    instruction = best_instruction(dtype, k, target, tiles)
    if instruction is None:
        return None
    record = find_record(target, instruction)
    if record is not None and record.tile:
        schedule = tile_schedule(rows, n, k, record, record.bits[record.rhs] // 8, target, ranges, sides)
        return dataclasses.replace(schedule, rhs="packed" if packed else "plain")
    layout = LAYOUTS[dtype][instruction]
    fewest_rows, most_rows = to_expr(rows).bounds(ranges)
    sizes = None
    if packed and isinstance(n, int) and isinstance(k, int):
        sizes = PackedSizes(fewest_rows, most_rows, all_columns or n, k, sides)
    streamed = None if sizes is None else stream_schedule(sizes, layout, target)
    if streamed is not None:
        return dataclasses.replace(streamed, instruction=instruction)
    schedule = dense_schedule(rows, n, target, ranges, sides, layout)
    schedule = _fitted(dataclasses.replace(schedule, instruction=instruction), target)
    if sizes is None:
        return schedule
    return read_once(schedule, layout) if most_rows <= schedule.mr else block_schedule(schedule, sizes, layout, target)


def _fitted(schedule: MatmulSchedule, target: Target) -> MatmulSchedule:
    """The tile of multiply-adds made lower where the schedule's instruction needs more registers, or pairs of rows."""
    record = find_record(target, schedule.instruction)
    assert record is not None
    mr = schedule.mr
    while mr > 1 and (mr % record.m or registers_needed(dataclasses.replace(schedule, mr=mr), target) > target.vector_registers):
        mr -= 1
    return dataclasses.replace(schedule, mr=mr, mb=-(-schedule.mb // mr) * mr)


def _is_covered(op: ir.Operation) -> bool:
    """Whether the template knows an op of a matmul kernel."""
    if tw.is_op(op, "constant"):
        return ir.DenseElementsAttr(op.attributes["value"]).is_splat
    if tw.is_op(op, "pointwise"):
        return not any(o.operation.name in WITHOUT_VECTOR_CODE for o in tw.body(op).operations)
    return tw.is_op(op, "matmul", "transpose", "reshape", "broadcast", "unpack")


def dense_schedule(
    m: Dim,
    n: Dim,
    target: Target,
    ranges: Mapping[str, tuple[int, int]],
    sides: int = 1,
    layout: OperandLayout = LAYOUTS["f32"][FMA],
) -> MatmulSchedule:
    """The tile of least estimated time for `m` rows (at their most) and `n` columns of each of `sides` right sides, from register
    count and lanes alone.

    Per step of k, a tile of `mr` rows and `v` vectors takes the longest of its multiply-adds (with what `layout` says that the
    operands of the instruction need besides), its loads and the latency of one accumulator; vectors of padding count, rows of padding
    too where `m` is known to be small.
    """
    lanes = target.vector_lanes(32)
    most_rows = max(1, to_expr(m).bounds(ranges)[1])
    columns = n if isinstance(n, int) else None
    best: tuple[float, int, int] | None = None
    # Conversions favour tall tiles, which are compiled badly: 13 x 8 reaches 0.65 of the rate of 6 x 16 on AVX2.
    narrowest = 2 if layout.conversions and sides == 1 and not (columns and columns <= lanes) else sides

    def cycles(rows: int, vectors: int) -> float:
        """Of a step of k."""
        loads = rows + vectors
        issued = (layout.instructions * rows + layout.conversions) * vectors
        streamed = PANEL_COST * vectors * (sides - 1)
        return max(issued / target.fma_units, loads / LOADS_PER_CYCLE, FMA_LATENCY) + LOAD_COST * loads + STEP_COST + streamed

    for vectors in range(narrowest, MAX_VECTORS + 1, sides):
        width = vectors // sides * lanes
        if columns and vectors > narrowest and width - lanes >= columns:
            break
        tallest = (target.vector_registers - layout.rhs_registers * vectors - layout.spare_registers - 1) // vectors
        if layout.conversions:
            tallest = min(tallest, MAX_CONVERTED_ROWS)
        heights = {h for h in (tallest, 1, 2, 4, 8, most_rows) if 1 <= h <= min(tallest, MAX_ROWS, most_rows)}
        for mr in heights:
            of_columns = cycles(mr, vectors) / width
            if columns:
                rest = -(-(columns % width) // lanes) * sides
                of_columns = columns // width * cycles(mr, vectors) + (cycles(mr, rest) if rest else 0.0)
            tiles = -(-most_rows // mr) if most_rows <= 2 * mr else most_rows / mr
            uneven = 0.0 if mr & (mr - 1) == 0 or mr == most_rows else UNEVEN_COST
            candidate = (of_columns * tiles * (1 + uneven), -mr, vectors)
            best = candidate if best is None else min(best, candidate)
    assert best is not None
    mr, nr = -best[1], best[2] // sides * lanes
    panels = -(-columns // nr) if columns else 8
    block = min(LARGEST_BLOCK, max(64, 64 * panels))
    unroll = UNROLL if layout.group == 1 and not layout.conversions else 2
    return MatmulSchedule(mr, nr, -(-block // mr) * mr, unroll=unroll, sides=sides)
