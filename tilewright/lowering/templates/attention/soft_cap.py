"""The soft cap of scores: `cap * tanh(score / cap)`."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
from tilewright.lowering.math.hyperbolic import TANH_DENOMINATOR, TANH_NUMERATOR
from tilewright.lowering.math.lanes import Lanes

_LARGEST = 7.90531110763549805
"""From here on the rational function is 1 in f32."""


def soft_capped(lanes: Lanes, ratio: ir.Value, cap: float) -> ir.Value:
    """`cap * tanh(ratio)`: a rational function of degree 13 over 6, error below 5e-7 relative to the result. NaN stays NaN."""
    x = lanes.clamp(ratio, -_LARGEST, _LARGEST)
    square = lanes.mul(x, x)
    numerator = lanes.mul(lanes.polynomial(square, [cap * c for c in TANH_NUMERATOR]), x)
    return lanes.mul(numerator, reciprocal(lanes, lanes.polynomial(square, TANH_DENOMINATOR)))


def reciprocal(lanes: Lanes, value: ir.Value) -> ir.Value:
    """`1 / value` of a normal number: a division, or with AVX-512 an estimate of 14 bits and one step of Newton's method (2^-27)."""
    if lanes.width != 16 or not lanes.has("avx512f"):
        return lanes.div(1.0, value)
    everywhere = arith.constant(ir.IntegerType.get_signless(16), -1)
    estimate = lanes.intrinsic("llvm.x86.avx512.rcp14.ps.512", lanes.f32, [value, lanes.constant(0.0), everywhere])
    return lanes.fma(lanes.fma(lanes.neg(value), estimate, 1.0), estimate, estimate)
