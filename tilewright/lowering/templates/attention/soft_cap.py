"""The soft cap of scores: `cap * tanh(score / cap)`."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.control import if_else

_SMALL = 0.5
_POLYNOMIAL = (-0.04440222680568695, 0.13190296292304993, -0.33326318860054016, 0.999999463558197)
"""tanh(x) / x for |x| < 0.5 in powers of x^2, highest degree first: minimax in relative error (5.5e-7), found, like the quotient, by
iteratively reweighted least squares."""
_LARGEST = 7.9
"""From here on the hyperbolic tangent is 1 within the error."""
_NUMERATOR = (-6.263282781304724e-09, 7.229095444927225e-06, 0.0027052066288888454, 0.12720923125743866, 0.9999998211860657)
_DENOMINATOR = (0.00019787924247793853, 0.022887660190463066, 0.4605410099029541, 1.0)
"""tanh(x) / x for |x| < 7.9 as a quotient of polynomials in x^2: minimax in relative error (1.9e-7)."""


def soft_capped(lanes: Lanes, scores: Sequence[ir.Value], scale: float, cap: float) -> list[ir.Value]:
    """`cap * tanh(score * scale)` for each vector, within 7e-7 of the result. NaN stays NaN.

    Scores are mostly far below the cap: where all are, a polynomial takes a third of the instructions of the quotient.
    """
    squares = [lanes.mul(score, score) for score in scores]
    # Coefficients must be normal numbers with a scale to the seventh power.
    small = (_SMALL / abs(scale)) ** 2 if 1e-4 < abs(scale) < 1e4 else -1.0
    # Bits of positive numbers are in their order. A maximum of floats would forget what it met before a NaN.
    largest = lanes.constant(0, lanes.i32)
    for square in squares:
        largest = arith.maxsi(largest, lanes.bits(square))
    far = lanes.any_lane(lanes.compare("ugt", lanes.from_bits(largest), small))
    coefficients = [cap * c * scale ** (2 * i + 1) for i, c in enumerate(reversed(_POLYNOMIAL))][::-1]

    def polynomials() -> list[ir.Value]:
        return [lanes.mul(lanes.polynomial(square, coefficients), score) for square, score in zip(squares, scores)]

    return if_else(far, lambda: [_quotient(lanes, lanes.mul(x, scale), cap) for x in scores], polynomials, [x.type for x in scores])


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
