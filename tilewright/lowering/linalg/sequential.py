"""Ops with an order of their own, which linalg cannot say: they stay `tw` ops, and the loop emitter runs them element by element."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.lowering.linalg.builder import LinalgBuilder
from tilewright.lowering.linalg.registry import lowers


@lowers("scan", "scatter", "argmax")
def keep(builder: LinalgBuilder, op: ir.OpView) -> list[ir.Value]:
    """The op on the lowered operands."""
    copy = op.operation.clone()
    for position, operand in enumerate(op.operation.operands):
        copy.operation.operands[position] = builder.of(operand)
    return list(copy.operation.results)
