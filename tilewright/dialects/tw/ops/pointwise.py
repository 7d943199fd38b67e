"""Pointwise computation: one op whose region is the scalar function."""

from __future__ import annotations

import numpy as np

from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.spec import Arguments, Constraint, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import TensorInfo, broadcast_shapes


def _result_shape(args: Arguments) -> tuple[Dim, ...] | None:
    stated = [r.shape for r in args.results]
    if any(s != stated[0] for s in stated):
        return None
    return broadcast_shapes([i.shape for i in args.inputs] + stated)


def _region_matches(args: Arguments) -> bool:
    block = args.regions[0].blocks[0]
    return [str(a.type) for a in block.arguments] == [i.dtype for i in args.inputs]


def _yield_matches(args: Arguments) -> bool:
    operations = list(args.regions[0].blocks[0].operations)
    return bool(operations) and [str(v.type) for v in operations[-1].operands] == [r.dtype for r in args.results]


@register_op
class PointwiseOp(OpSpec):
    """Applies a scalar function to every element. Operands broadcast NumPy-style to the result shape.

    The region has one scalar argument per operand, holds `arith` and `math` ops, and ends in `tw.yield` with one scalar per result.
    The result shape may be wider than the broadcast of the operands (a fill has no operands at all).
    """

    name = "pointwise"
    operands = (Operand("inputs", "tensors that broadcast to the result", variadic=True),)
    regions = 1
    free_results = True
    constraints = (
        Constraint(
            "P1", "operands broadcast to the shape of the results", lambda a: bool(a.results) and _result_shape(a) == a.results[0].shape
        ),
        Constraint("P2", "the region has one scalar argument per operand, of its element type", _region_matches),
        Constraint("P3", "the region yields one scalar per result, of its element type", _yield_matches),
    )
    example = """%y = "tw.pointwise"(%x, %b) ({
  ^bb0(%0: f32, %1: f32):
    %2 = arith.addf %0, %1 : f32
    "tw.yield"(%2) : (f32) -> ()
}) : (tensor<?x384xf32, "s0, 384">, tensor<384xf32>) -> tensor<?x384xf32, "s0, 384">"""

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return list(args.results)

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        from tilewright.dialects.tw.scalar import evaluate_region

        shape = context.shape(context.result_types[0].shape)
        arrays = [np.broadcast_to(x, shape) for x in args.inputs]
        return [np.broadcast_to(r, shape).copy() for r in evaluate_region(context.regions[0], arrays)]
