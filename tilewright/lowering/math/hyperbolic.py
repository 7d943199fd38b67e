"""tanh, sinh, cosh and the logistic sigmoid."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.lowering.math.exponential import exp, exp_bounded, expm1
from tilewright.lowering.math.lanes import Lanes

TANH_SMALL = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
"""tanh(x)/x - 1 over x^2 for |x| < 0.625, from Cephes `tanhf`."""

TANH_NUMERATOR = (
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05,
    6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
TANH_DENOMINATOR = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
"""Rational approximation of degree 13 over 6 used by Eigen and XLA."""


def tanh(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Hyperbolic tangent. Error below 1.4 ULP: a polynomial below 0.625, `1 - 2 / (e^2|x| + 1)` above."""
    magnitude = lanes.abs(x)
    square = lanes.mul(x, x)
    small = lanes.fma(lanes.mul(x, square), lanes.polynomial(square, TANH_SMALL), x)
    bounded = lanes.min(10.0, magnitude)
    e = exp_bounded(lanes, lanes.add(bounded, bounded))
    large = lanes.sub(1.0, lanes.div(2.0, lanes.add(e, 1.0)))
    # The comparison also holds for NaN, which the polynomial keeps.
    return lanes.copysign(lanes.select(lanes.compare("ult", magnitude, 0.625), small, large), x)


def tanh_rational(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Hyperbolic tangent, fast form with one division. Error below 5 ULP."""
    clamped = lanes.clamp(x, -7.90531110763549805, 7.90531110763549805)
    square = lanes.mul(clamped, clamped)
    numerator = lanes.mul(lanes.polynomial(square, TANH_NUMERATOR), clamped)
    quotient = lanes.div(numerator, lanes.polynomial(square, TANH_DENOMINATOR))
    return lanes.select(lanes.compare("olt", lanes.abs(clamped), 0.0004), x, quotient)


def sigmoid(lanes: Lanes, x: ir.Value) -> ir.Value:
    """1 / (1 + e^-x). Error below 2.5 ULP for results that are not denormal."""
    return lanes.div(1.0, lanes.add(exp(lanes, lanes.neg(x)), 1.0))


def sinh(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Hyperbolic sine. Error below 3 ULP; infinite from |x| > 89.4."""
    magnitude = lanes.abs(x)
    # (t + t / (t + 1)) / 2 with t = e^|x| - 1 cancels nothing.
    t = expm1(lanes, magnitude)
    moderate = lanes.mul(lanes.add(t, lanes.div(t, lanes.add(t, 1.0))), 0.5)
    half = exp(lanes, lanes.mul(magnitude, 0.5))
    large = lanes.mul(lanes.mul(half, 0.5), half)
    result = lanes.select(lanes.compare("ogt", magnitude, 80.0), large, moderate)
    return lanes.copysign(result, x)


def cosh(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Hyperbolic cosine. Error below 3 ULP; infinite from |x| > 89.4."""
    magnitude = lanes.abs(x)
    e = exp(lanes, magnitude)
    moderate = lanes.fma(e, 0.5, lanes.div(0.5, e))
    half = exp(lanes, lanes.mul(magnitude, 0.5))
    large = lanes.mul(lanes.mul(half, 0.5), half)
    return lanes.select(lanes.compare("ogt", magnitude, 80.0), large, moderate)
