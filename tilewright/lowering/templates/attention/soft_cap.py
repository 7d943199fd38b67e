"""The soft cap of scores: `cap * tanh(score / cap)`."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
from tilewright.lowering.math.lanes import Lanes

_LARGEST = 7.9
"""From here on the hyperbolic tangent is 1 within the error."""
_NUMERATOR = (-6.263282781304724e-09, 7.229095444927225e-06, 0.0027052066288888454, 0.12720923125743866, 0.9999998211860657)
_DENOMINATOR = (0.00019787924247793853, 0.022887660190463066, 0.4605410099029541, 1.0)
"""tanh(x) / x for |x| < 7.9 as a quotient of polynomials in x^2, highest degree first: minimax in relative error (1.9e-7), found by
iteratively reweighted least squares."""


def soft_capped(lanes: Lanes, ratio: ir.Value, cap: float) -> ir.Value:
    """`cap * tanh(ratio)`, within 6e-7 of the result, in half the instructions of a correctly rounded tangent. NaN stays NaN."""
    x = lanes.clamp(ratio, -_LARGEST, _LARGEST)
    square = lanes.mul(x, x)
    numerator = lanes.mul(lanes.polynomial(square, [cap * c for c in _NUMERATOR]), x)
    return _quotient(lanes, numerator, lanes.polynomial(square, _DENOMINATOR))


def _quotient(lanes: Lanes, numerator: ir.Value, denominator: ir.Value) -> ir.Value:
    """A division, or with AVX-512 an estimate of the reciprocal to 14 bits and one step of Newton's method (2^-27)."""
    if lanes.width != 16 or not lanes.has("avx512f"):
        return lanes.div(numerator, denominator)
    everywhere = arith.constant(ir.IntegerType.get_signless(16), -1)
    reciprocal = lanes.intrinsic("llvm.x86.avx512.rcp14.ps.512", lanes.f32, [denominator, lanes.constant(0.0), everywhere])
    estimate = lanes.mul(numerator, reciprocal)
    return lanes.fma(lanes.fma(lanes.neg(denominator), reciprocal, 1.0), estimate, estimate)
