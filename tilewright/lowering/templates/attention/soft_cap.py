"""The soft cap of scores: `cap * tanh(score / cap)`."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.control import if_else

_SMALL = 0.6
_POLYNOMIAL = (0.015475427731871605, -0.05210148170590401, 0.13310173153877258, -0.33332309126853943, 0.9999999403953552)
"""tanh(x) / x for |x| < 0.6 in powers of x^2, highest degree first: minimax in relative error (7.3e-8), found, like the quotient, by
iteratively reweighted least squares."""
_LARGEST = 7.9
"""From here on the hyperbolic tangent is 1 within the error."""
_NUMERATOR = (-6.263282781304724e-09, 7.229095444927225e-06, 0.0027052066288888454, 0.12720923125743866, 0.9999998211860657)
_DENOMINATOR = (0.00019787924247793853, 0.022887660190463066, 0.4605410099029541, 1.0)
"""tanh(x) / x for |x| < 7.9 as a quotient of polynomials in x^2: minimax in relative error (1.9e-7)."""


def soft_capped(lanes: Lanes, ratios: Sequence[ir.Value], cap: float) -> list[ir.Value]:
    """`cap * tanh(ratio)` for each vector, within 6e-7 of the result. NaN stays NaN.

    Scores are mostly far below the cap: where all are, a polynomial takes half the instructions of the quotient.
    """
    largest = lanes.constant(0.0)
    for ratio in ratios:
        largest = lanes.max(lanes.abs(ratio), largest)
    far = lanes.any_lane(lanes.compare("ogt", largest, _SMALL))
    types = [ratio.type for ratio in ratios]
    return if_else(far, lambda: [_quotient(lanes, x, cap) for x in ratios], lambda: [_polynomial(lanes, x, cap) for x in ratios], types)


def _polynomial(lanes: Lanes, x: ir.Value, cap: float) -> ir.Value:
    return lanes.mul(lanes.polynomial(lanes.mul(x, x), [cap * c for c in _POLYNOMIAL]), x)


def _quotient(lanes: Lanes, ratio: ir.Value, cap: float) -> ir.Value:
    """By a division, or with AVX-512 an estimate of the reciprocal to 14 bits and one step of Newton's method (2^-27)."""
    x = lanes.clamp(ratio, -_LARGEST, _LARGEST)
    square = lanes.mul(x, x)
    numerator = lanes.mul(lanes.polynomial(square, [cap * c for c in _NUMERATOR]), x)
    denominator = lanes.polynomial(square, _DENOMINATOR)
    if lanes.width != 16 or not lanes.has("avx512f"):
        return lanes.div(numerator, denominator)
    everywhere = arith.constant(ir.IntegerType.get_signless(16), -1)
    reciprocal = lanes.intrinsic("llvm.x86.avx512.rcp14.ps.512", lanes.f32, [denominator, lanes.constant(0.0), everywhere])
    estimate = lanes.mul(numerator, reciprocal)
    return lanes.fma(lanes.fma(lanes.neg(denominator), reciprocal, 1.0), estimate, estimate)
