"""Constants, sizes as data, index sequences."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir, linalg
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, typed_constant
from tilewright.lowering.linalg.registry import lowers


@lowers("constant")
def constant(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """A dense constant stays one."""
    return typed_constant(op.operation.results[0].type, op.operation.attributes["value"])


@lowers("dim")
def dim(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """The size, cast to i64, fills a tensor of rank 0."""
    info = tw.tensor_info(op.operation.results[0])
    size = arith.IndexCastOp(ir.IntegerType.get_signless(64), builder.size(tw.get(op, "expr"))).result
    return builder.filled(info, size)


@lowers("iota")
def iota(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """`linalg.index` as data."""
    info = tw.tensor_info(op.operation.results[0])
    axis, element = tw.get(op, "dim"), tw.element_type(info.dtype)
    return builder.pointwise([], info, lambda: arith.IndexCastOp(element, linalg.IndexOp(axis).result).result)
