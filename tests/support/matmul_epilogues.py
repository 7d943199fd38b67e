"""Steps of matmul epilogues for tests: scalar code on one product and at most one operand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw

I32_SCALE = 2.0**-18
"""Brings sums of i8 products near 1."""


def number(value: float) -> ir.Value:
    """A constant."""
    return arith.constant(ir.F32Type.get(), value)


def to_f32(x: ir.Value) -> ir.Value:
    """A product as f32: integers scaled, halves widened."""
    f32 = ir.F32Type.get()
    if isinstance(x.type, ir.IntegerType):
        return arith.mulf(arith.sitofp(f32, x), number(I32_SCALE))
    return x if x.type == f32 else arith.extf(f32, x)


def _gelu(x: ir.Value) -> ir.Value:
    return arith.mulf(arith.mulf(x, number(0.5)), arith.addf(math.erf(arith.mulf(x, number(0.70710678))), number(1.0)))


def silu(x: ir.Value) -> ir.Value:
    """x times its logistic."""
    return arith.divf(x, arith.addf(number(1.0), math.exp(arith.negf(x))))


def _on_f32(function: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
    return lambda x, *others: function(to_f32(x), *others)


STEPS: dict[str, Callable[..., ir.Value]] = {
    "bias": _on_f32(arith.addf),
    "residual": _on_f32(arith.addf),
    "row": _on_f32(arith.mulf),
    "scalar": _on_f32(arith.mulf),
    "mask": _on_f32(lambda x, m: arith.select(m, x, number(-1e4))),
    "gelu": _on_f32(_gelu),
    "silu": _on_f32(silu),
    "relu": _on_f32(lambda x: arith.maximumf(x, number(0.0))),
    "tanh": _on_f32(math.tanh),
    "bf16": _on_f32(lambda x: arith.truncf(ir.BF16Type.get(), x)),
    "f16": _on_f32(lambda x: arith.truncf(ir.F16Type.get(), x)),
}
"""Name of a step to its code on a product and its operand."""


def operand_shape(step: str, result: Sequence[Any]) -> list[Any] | None:
    """The shape of the operand of a step on a tensor of shape `result`; None where it has none."""
    *_, m, n = result
    shapes = {"bias": [n], "residual": list(result), "row": [m, 1], "scalar": [1], "mask": list(result)}
    return shapes.get(step)


def combine(gate: ir.Value, value: ir.Value) -> ir.Value:
    """The gated product of two matmuls."""
    return tw.pointwise([gate, value], lambda g, v: arith.mulf(silu(to_f32(g)), to_f32(v)))
