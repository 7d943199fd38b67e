"""Schedules of attention kernels on CPUs: what the template covers, the value, what is legal, and the rule that chooses one.

Analysis alone: nothing here lowers anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.passes.schedules.matmul_instructions import best_instruction
from tilewright.targets import Target

KIND = "attention"
LARGEST_HEAD = 512
ELEMENTS = ("f32", "f16", "bf16")


@dataclass(frozen=True)
class AttentionSchedule:
    """How an attention kernel is tiled.

    A tile holds `vectors` vectors of queries; scores and outputs are computed `rows` keys or head dimensions at a time, so that
    `rows * vectors` accumulators stay in registers; `block` keys are scored before the running maximum is looked at again.
    """

    vectors: int
    rows: int
    block: int
    source: str = "rule:flash"

    def attributes(self) -> dict[str, Any]:
        """As the entries of `tw.schedule`."""
        return {"kind": KIND, **dataclasses.asdict(self)}

    @staticmethod
    def from_attributes(values: Mapping[str, Any]) -> AttentionSchedule:
        """Read the entries of `tw.schedule`."""
        known = {f.name for f in dataclasses.fields(AttentionSchedule)}
        given: dict[str, Any] = {k: v for k, v in values.items() if k in known}
        defaults: dict[str, Any] = {"vectors": 1, "rows": 8, "block": 256}
        return AttentionSchedule(**{**defaults, **given})


def check_attention_schedule(schedule: AttentionSchedule, target: Target) -> str | None:
    """Why `schedule` is not legal on `target`; None if it is."""
    needed = schedule.rows * schedule.vectors + schedule.vectors + 1
    if min(schedule.rows, schedule.vectors) < 1 or needed > target.vector_registers:
        tile = f"{schedule.rows} x {schedule.vectors} vectors"
        return f"a tile of {tile} needs {needed} registers, {target.name} has {target.vector_registers}"
    if schedule.block < schedule.rows or schedule.block % schedule.rows:
        return f"blocks of {schedule.block} keys are not made of whole tiles of {schedule.rows}"
    return None


def attention_template_supports(op: ir.OpView | ir.Operation, target: Target) -> str | None:
    """Why the template does not cover a `tw.attention` on `target`; None where it does. What is not covered must be decomposed."""
    operands = tw.operand_groups(op)
    q, v = tw.tensor_info(operands["q"]), tw.tensor_info(operands["v"])
    if target.is_gpu:
        return f"{target.name} is not a CPU"
    if q.dtype not in ELEMENTS or target.matrix_instruction("f32", "f32", "f32") is None:
        return f"elements are {q.dtype}, not {', '.join(ELEMENTS)}"
    for name, size in (("D", q.shape[3]), ("Dv", v.shape[3])):
        if not isinstance(size, int) or not 0 < size <= LARGEST_HEAD:
            return f"the head size {name} = {size} is not a number up to {LARGEST_HEAD}"
    if not isinstance(q.shape[1], int) and q.shape[1] != v.shape[1]:
        return "the number of heads is not static"
    for name in ("block_table", "k_scale"):
        if operands[name] is not None:
            return f"it has the operand {name}"
    if tw.get(op, "splits"):
        return "it has the attribute splits"
    if computes_functions_in_f64(op):
        return "its region computes functions in f64"
    if tw.tensor_info(operands["k"]).dtype != q.dtype:
        return f"keys are {tw.tensor_info(operands['k']).dtype}, queries {q.dtype}"
    sinks = operands["sinks"]
    if sinks is not None and tw.tensor_info(sinks).dtype not in ELEMENTS:
        return f"its sinks are {tw.tensor_info(sinks).dtype}, not {', '.join(ELEMENTS)}"
    mask = operands["mask"]
    if mask is not None and tw.tensor_info(mask).dtype not in ("i1", *ELEMENTS):
        return f"its mask holds {tw.tensor_info(mask).dtype}, not i1, {', '.join(ELEMENTS)}"
    return None


def computes_functions_in_f64(op: ir.OpView | ir.Operation) -> bool:
    """Whether the region of an attention calls functions on f64, for which there is no code."""
    inside = [o.operation for region in op.operation.regions for o in region.blocks[0].operations]
    return any(o.name.startswith("math.") and isinstance(o.results[0].type, ir.F64Type) for o in inside)


def choose_attention_schedule(function: ir.OpView, target: Target) -> dict[str, Any] | None:
    """The schedule of a kernel around one attention that the template covers; None for other kernels."""
    operations = list(function.operation.regions[0].blocks[0].operations)[:-1]
    anchors = [op for op in operations if tw.is_op(op, "attention")]
    if len(anchors) != 1 or not all(tw.is_op(op, "attention", "transpose", "reshape", "broadcast") for op in operations):
        return None
    if attention_template_supports(anchors[0], target) is not None:
        return None
    return flash_schedule(target, tw.tensor_info(tw.operand_groups(anchors[0])["q"]).dtype).attributes()


def flash_schedule(target: Target, dtype: str = "f32") -> AttentionSchedule:
    """Tiles of accumulators that nearly fill the registers, so that few loads go with each multiply-add: three vectors of queries by
    eight rows where there are 32, two by six where there are 16.

    Tile registers take two vectors, and multiply so fast that scores, keys and values of a block have to stay in the first cache.
    """
    if uses_tiles(target, dtype):
        return AttentionSchedule(vectors=2, rows=8, block=128)
    if target.vector_registers >= 32:
        return AttentionSchedule(vectors=3, rows=8, block=256)
    return AttentionSchedule(vectors=2, rows=6, block=192)


def uses_tiles(target: Target, dtype: str) -> bool:
    """Whether q, k and v of `dtype` are multiplied on tile registers, where they are the fastest."""
    return _instruction(target, dtype) == "tdpbf16ps"


def uses_pairs(target: Target, dtype: str) -> bool:
    """Whether q, k and v of `dtype` are multiplied by dot products of pairs on vectors, where that is faster than to widen them."""
    return _instruction(target, dtype) == "vdpbf16ps"


def _instruction(target: Target, dtype: str) -> str | None:
    """The fastest instruction for bf16, where there are the others that the softmax of pairs needs."""
    return best_instruction(dtype, 32, target) if dtype == "bf16" and target.has("avx512dq") else None
