"""Rotary position embedding."""

from __future__ import annotations

import numpy as np

from tilewright.dialects.tw.ops.reduction import wide
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import FLOATS, TensorInfo, broadcast_shapes


def _tables_fit(args: Arguments) -> bool:
    if args.cos.shape != args.sin.shape or args.input.rank < 2 or args.cos.dtype != args.input.dtype or args.sin.dtype != args.input.dtype:
        return False
    return broadcast_shapes([args.input.shape, args.cos.shape]) == args.input.shape


@register_op
class RopeOp(OpSpec):
    """Rotates pairs of the last dimension: `x * cos + rotate(x) * sin` (Su et al. 2021).

    `rotate` maps halves `(a, b)` to `(-b, a)`; with `interleaved`, it maps each pair of neighbours. cos and sin broadcast to the input.
    """

    name = "rope"
    operands = (Operand("input", "tensor [..., D], D even"), Operand("cos", "cosines"), Operand("sin", "sines"))
    attributes = (Attribute("interleaved", Kind.BOOL, "pairs are neighbours instead of halves", False),)
    constraints = (
        Constraint("E1", "the input is floating point", lambda a: a.input.dtype in FLOATS),
        Constraint(
            "E2",
            "the last dimension is static and even",
            lambda a: a.input.rank >= 1 and isinstance(a.input.shape[-1], int) and a.input.shape[-1] % 2 == 0,
        ),
        Constraint("E3", "cos and sin are alike and broadcast to the input", _tables_fit),
    )
    example = '%y = "tw.rope"(%x, %c, %s) : (tensor<2x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<2x4x8xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        x = wide(args.input)
        rotated = np.empty_like(x)
        if args.interleaved:
            rotated[..., 0::2], rotated[..., 1::2] = -x[..., 1::2], x[..., 0::2]
        else:
            half = x.shape[-1] // 2
            rotated[..., :half], rotated[..., half:] = -x[..., half:], x[..., :half]
        return [(x * wide(args.cos) + rotated * wide(args.sin)).astype(args.input.dtype)]
