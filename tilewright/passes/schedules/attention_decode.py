"""Schedules of attention kernels with few queries on CPUs: what the template covers, the value, what is legal, and the rule.

Analysis alone: nothing here lowers anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.attention import group_size
from tilewright.passes.schedules.attention import attention_template_supports, computes_functions_in_f64
from tilewright.targets import Target

KIND = "attention-decode"
LARGEST_HEAD = 1024
FEW_ROWS, FEW_ROWS_OF_PAIRS = 16, 8
"""Rows of queries for one key and value head, up to which lanes along the head dimension are faster than lanes of queries; in bf16, which
the other template multiplies by instructions for it, these are fewer.
"""
LARGEST_TILE = 64
FMA, TILES = "fma", "tdpbssd"
"""How queries are multiplied with keys."""
TILE_BYTES = 64
"""Dimensions of a tile of 8-bit integers."""
KEYS = 4
"""Keys whose products are accumulated at once."""
BLOCK, BLOCK_OF_BYTES = 32, 64
"""Keys of a block; the next one is fetched meanwhile. Blocks of bytes are larger, because products on tiles have a long way to the softmax;
measured, blocks of more bytes are slower.
"""


@dataclass(frozen=True)
class AttentionDecodeSchedule:
    """How an attention kernel with few queries is tiled.

    A unit of work has `tile` rows of queries, `rows` of which are multiplied with four keys at a time; `block` keys are scored before
    their values are added up; rows of keys and values are prefetched `prefetch` keys ahead, at least a block, 0 for not at all. `products`
    with keys are computed by multiply-adds, or on tiles of 8-bit integers where that is what keys are.
    """

    tile: int
    rows: int
    block: int
    prefetch: int
    products: str = FMA
    source: str = "rule:decode"

    def attributes(self) -> dict[str, Any]:
        """As the entries of `tw.schedule`."""
        return {"kind": KIND, **dataclasses.asdict(self)}

    @staticmethod
    def from_attributes(values: Mapping[str, Any]) -> AttentionDecodeSchedule:
        """Read the entries of `tw.schedule`."""
        known = {f.name for f in dataclasses.fields(AttentionDecodeSchedule)}
        given: dict[str, Any] = {k: v for k, v in values.items() if k in known}
        defaults: dict[str, Any] = {"tile": 1, "rows": 1, "block": 32, "prefetch": 0}
        return AttentionDecodeSchedule(**{**defaults, **given})


def accumulators(target: Target) -> int:
    """Registers that hold sums; the others hold what is multiplied."""
    return 16 if target.vector_registers >= 32 else 8


def check_attention_decode_schedule(schedule: AttentionDecodeSchedule, target: Target) -> str | None:
    """Why `schedule` is not legal on `target`; None if it is."""
    if schedule.rows < 1 or schedule.rows * KEYS > accumulators(target):
        return f"{schedule.rows} rows by {KEYS} keys are not 1 to {accumulators(target)} accumulators"
    if schedule.tile < 1 or schedule.tile % schedule.rows:
        return f"a tile of {schedule.tile} rows is not made of {schedule.rows} rows at a time"
    whole = max(target.vector_lanes(32), 8)
    if schedule.block < whole or schedule.block % whole:
        return f"blocks of {schedule.block} keys are not made of vectors of {whole}"
    if schedule.prefetch and schedule.prefetch < schedule.block:
        return f"keys are fetched {schedule.prefetch} ahead, which is less than a block of {schedule.block}"
    if schedule.products != FMA and (schedule.products != TILES or not _has_tiles(target)):
        return f"{target.name} has no instruction called {schedule.products!r} that this template uses"
    return None


def attention_decode_supports(op: ir.OpView | ir.Operation, target: Target) -> str | None:
    """Why the template does not cover a `tw.attention` on `target`; None where it does."""
    operands = tw.operand_groups(op)
    q, k, v = (tw.tensor_info(operands[name]) for name in "qkv")
    if target.is_gpu:
        return f"{target.name} is not a CPU"
    if "f64" in (q.dtype, *(tw.tensor_info(operands[name]).dtype for name in ("mask", "sinks") if operands[name] is not None)):
        return "it computes in f64"
    if computes_functions_in_f64(op):
        return "its region computes functions in f64"
    for name, size in (("D", q.shape[3]), ("Dv", v.shape[3])):
        if not isinstance(size, int) or not 0 < size <= LARGEST_HEAD:
            return f"the head size {name} = {size} is not a number up to {LARGEST_HEAD}"
    if not isinstance(q.shape[1], int) and q.shape[1] != k.shape[1]:
        return "the number of heads is not static"
    return None


def rows_of_queries(op: ir.OpView | ir.Operation) -> Dim:
    """Rows of queries that share one key and value head."""
    operands = tw.operand_groups(op)
    q, k = (tw.tensor_info(operands[name]) for name in "qk")
    return simplify_dim(to_expr(q.shape[2]) * group_size(q.shape[1], k.shape[1]))


def is_decode(op: ir.OpView | ir.Operation, target: Target) -> bool:
    """Whether a `tw.attention` is lowered by this template rather than by the one for many queries."""
    if attention_decode_supports(op, target) is not None:
        return False
    if attention_template_supports(op, target) is not None:
        return True
    rows = rows_of_queries(op)
    pairs = tw.tensor_info(tw.operand_groups(op)["q"]).dtype == "bf16" and target.matrix_instruction("bf16", "bf16", "f32") is not None
    return isinstance(rows, int) and rows <= (FEW_ROWS_OF_PAIRS if pairs else FEW_ROWS)


def why_no_template(op: ir.OpView | ir.Operation, target: Target) -> str | None:
    """Why no template covers a `tw.attention` on `target`; None where one does. What is not covered must be decomposed."""
    return None if is_decode(op, target) else attention_template_supports(op, target)


def choose_attention_decode_schedule(function: ir.OpView, target: Target) -> dict[str, Any] | None:
    """The schedule of a kernel around one attention that is best lowered by this template; None for other kernels."""
    operations = list(function.operation.regions[0].blocks[0].operations)[:-1]
    anchors = [op for op in operations if tw.is_op(op, "attention")]
    if len(anchors) != 1 or not all(tw.is_op(op, "attention", "transpose", "reshape", "broadcast") for op in operations):
        return None
    return decode_schedule(anchors[0], target).attributes() if is_decode(anchors[0], target) else None


def decode_schedule(op: ir.OpView | ir.Operation, target: Target) -> AttentionDecodeSchedule:
    """All rows of queries in one tile where they are few, in equal parts of as many as registers hold; else tiles of 16."""
    rows, most = rows_of_queries(op), accumulators(target) // KEYS
    count = rows if isinstance(rows, int) and 0 < rows <= LARGEST_TILE else FEW_ROWS
    at_once = -(-count // -(-count // most))
    k = tw.tensor_info(tw.operand_groups(op)["k"])
    block = BLOCK_OF_BYTES if k.dtype == "i8" else BLOCK
    products = TILES if _has_tiles(target) and fits_tiles(k.dtype, k.shape[3]) else FMA
    return AttentionDecodeSchedule(tile=-(-count // at_once) * at_once, rows=at_once, block=block, prefetch=block, products=products)


def fits_tiles(dtype: str, size: Dim) -> bool:
    """Whether keys of `size` elements of `dtype` are whole tiles of 8-bit integers."""
    return dtype == "i8" and isinstance(size, int) and size % TILE_BYTES == 0


def _has_tiles(target: Target) -> bool:
    return any(instruction.name == TILES for instruction in target.matrix_instructions)
