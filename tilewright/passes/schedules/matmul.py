"""Schedules of matmul kernels on CPUs: the value, what is legal, and the rule that chooses one.

Analysis alone: nothing here lowers anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects import tw
from tilewright.targets import Target

KIND = "matmul"
FMA_LATENCY = 4
"""Cycles from one fused multiply-add to the next on the same accumulator, on all CPUs described so far."""
LOADS_PER_CYCLE = 2
LOAD_COST, STEP_COST, UNEVEN_COST = 0.1, 0.6, 0.01
"""Measured: cycles that a load costs beside full multiply-add units, that a step of k costs whatever its size (it favours large
tiles), and the share lost when heights do not divide the usual numbers of rows."""
WITHOUT_VECTOR_CODE = ("arith.remf", "math.fpowi", "math.ipowi")
"""Ops that LLVM would replace by library calls."""
MAX_VECTORS = 4
MAX_ROWS = 16
PREFETCH_STEPS = 128
"""Steps of k. Weights that come from memory are the rule in a model: with 16 rows this is 1.3-1.45 times as fast, with 128 rows 1.03."""
LARGEST_BLOCK = 512
"""Rows: a block's left side stays in the second-level cache while the panels of a wide right side stream by."""


@dataclass(frozen=True)
class MatmulSchedule:
    """How a matmul kernel is tiled.

    `mr` x `nr` accumulators stay in registers; rows are split into blocks of at most `mb`, a multiple of `mr`; the loop over k is
    unrolled `unroll` times; `prefetch_rhs` is how many steps of k ahead the right side is prefetched (0 = not); `prefetch_results`
    asks for the lines of a tile's results before its k loop. `rhs` is `packed` where the compiler packs the right side into panels
    of `nr` columns and `plain` where it does not.
    """

    mr: int
    nr: int
    mb: int
    unroll: int = 2
    prefetch_rhs: int = 0
    prefetch_results: bool = True
    rhs: str = "plain"
    source: str = "rule:dense"

    def attributes(self) -> dict[str, Any]:
        """As the entries of `tw.schedule`."""
        return {"kind": KIND, **dataclasses.asdict(self)}

    @staticmethod
    def from_attributes(values: Mapping[str, Any]) -> MatmulSchedule:
        """Read the entries of `tw.schedule`; those that are absent have their defaults. `mb` defaults to the largest block."""
        known = {f.name for f in dataclasses.fields(MatmulSchedule)}
        given: dict[str, Any] = {k: v for k, v in values.items() if k in known}
        mr = int(given.get("mr", 1))
        defaults: dict[str, Any] = {"mr": mr, "nr": 1, "mb": max(1, LARGEST_BLOCK // mr) * mr}
        return MatmulSchedule(**{**defaults, **given})


def check_matmul_schedule(schedule: MatmulSchedule, target: Target) -> str | None:
    """Why `schedule` is not legal on `target`; None if it is."""
    lanes = target.vector_lanes(32)
    if target.is_gpu:
        return f"{target.name} is not a CPU"
    if schedule.mr < 1 or schedule.nr < 1 or schedule.nr % lanes:
        return f"a tile of {schedule.mr} x {schedule.nr} is not made of whole vectors of {lanes} lanes"
    vectors = schedule.nr // lanes
    needed = schedule.mr * vectors + vectors + 1
    if needed > target.vector_registers:
        return f"a tile of {schedule.mr} x {schedule.nr} needs {needed} vector registers, {target.name} has {target.vector_registers}"
    if schedule.mb < schedule.mr or schedule.mb % schedule.mr:
        return f"blocks of {schedule.mb} rows are not made of whole tiles of {schedule.mr}"
    if not 1 <= schedule.unroll <= 8 or schedule.prefetch_rhs < 0:
        return f"unroll = {schedule.unroll} and prefetch_rhs = {schedule.prefetch_rhs} are out of range"
    if schedule.rhs not in ("packed", "plain"):
        return f"rhs = {schedule.rhs!r} is neither packed nor plain"
    return None


def choose_matmul_schedule(function: ir.OpView, target: Target) -> dict[str, Any] | None:
    """The schedule of a kernel around one f32 matmul on a CPU; None for other kernels, and for epilogues that the template lacks.

    The right side is packed when it is a weight that the matmul reads as it is stored, as a matrix.
    """
    operations = list(function.operation.regions[0].blocks[0].operations)
    matmuls = [op for op in operations if tw.is_op(op, "matmul", "attention")]
    if target.is_gpu or len(matmuls) != 1 or not tw.is_op(matmuls[0], "matmul"):
        return None
    if not all(_is_covered(op.operation) for op in operations[:-1]):
        return None
    result = tw.tensor_info(matmuls[0].operation.results[0])
    if result.dtype != "f32" or target.matrix_instruction("f32", "f32", "f32") is None:
        return None
    rhs = matmuls[0].operation.operands[1]
    packed = tw.tensor_info(rhs).rank == 2 and tw.tensor_info(rhs).is_static and _is_weight(function, rhs)
    # Leading dimensions are rows of one tall matmul when the right side does not have them.
    rows: Dim = result.shape[-2]
    if tw.tensor_info(rhs).rank == 2:
        for size in result.shape[:-2]:
            rows = to_expr(rows) * size
    schedule = dense_schedule(rows, result.shape[-1], target, tw.symbols_of(function))
    if packed:
        schedule = dataclasses.replace(schedule, rhs="packed", prefetch_rhs=PREFETCH_STEPS)
    return schedule.attributes()


def _is_covered(op: ir.Operation) -> bool:
    """Whether the template knows an op of a matmul kernel."""
    if tw.is_op(op, "constant"):
        return ir.DenseElementsAttr(op.attributes["value"]).is_splat
    if tw.is_op(op, "pointwise"):
        return not any(o.operation.name in WITHOUT_VECTOR_CODE for o in tw.body(op).operations)
    return tw.is_op(op, "matmul", "transpose", "reshape", "broadcast", "unpack")


def _is_weight(function: ir.OpView, value: ir.Value) -> bool:
    if not isinstance(value.owner, ir.Block) or "arg_attrs" not in function.operation.attributes:
        return False
    attributes = ir.ArrayAttr(function.operation.attributes["arg_attrs"])
    return "tw.weight" in ir.DictAttr(attributes[ir.BlockArgument(value).arg_number])


def dense_schedule(m: Dim, n: Dim, target: Target, ranges: Mapping[str, tuple[int, int]]) -> MatmulSchedule:
    """The tile of least estimated time for `m` rows (at their most) and `n` columns, from register count and lanes alone.

    Per step of k, a tile of `mr` rows and `v` vectors takes the longest of its multiply-adds, its loads and the latency of one
    accumulator; columns of padding count, rows of padding too where `m` is known to be small.
    """
    lanes = target.vector_lanes(32)
    most_rows = max(1, to_expr(m).bounds(ranges)[1])
    columns = n if isinstance(n, int) else None
    best: tuple[float, int, int] | None = None
    for vectors in range(1, MAX_VECTORS + 1):
        tallest = (target.vector_registers - vectors - 1) // vectors
        heights = {h for h in (tallest, 1, 2, 4, 8) if 1 <= h <= min(tallest, MAX_ROWS)}
        for mr in heights:
            rows = min(mr, most_rows)
            panels = -(-columns // (vectors * lanes)) if columns else 1 / (vectors * lanes)
            loads = rows + vectors
            cycles = max(rows * vectors / target.fma_units, loads / LOADS_PER_CYCLE, FMA_LATENCY) + LOAD_COST * loads + STEP_COST
            tiles = -(-most_rows // mr) if most_rows <= 2 * mr else most_rows / mr
            uneven = 0.0 if mr & (mr - 1) == 0 else UNEVEN_COST
            candidate = (panels * tiles * cycles * (1 + uneven), -mr, vectors)
            best = candidate if best is None else min(best, candidate)
    assert best is not None
    mr, nr = -best[1], best[2] * lanes
    panels = -(-columns // nr) if columns else 8
    block = min(LARGEST_BLOCK, max(64, 64 * panels))
    return MatmulSchedule(mr, nr, -(-block // mr) * mr)
