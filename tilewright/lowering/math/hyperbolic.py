"""tanh, sinh and cosh."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.lowering.math.exponential import exp_bounded, exp_mantissa, scale_by_power_of_two
from tilewright.lowering.math.lanes import Lanes

TANH_SMALL = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
"""tanh(x)/x - 1 over x^2 for |x| < 0.625, from Cephes `tanhf`."""

TANH_NUMERATOR = (
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05,
    6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
TANH_DENOMINATOR = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
"""Rational approximation of degree 13 over 6 used by Eigen and XLA."""


SINH_SMALL = (1 / 39916800, 1 / 362880, 1 / 5040, 1 / 120, 1 / 6)
"""`(sinh(x) / x - 1) / x^2` in x^2 for |x| < 1: the Taylor series."""


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


def _half_exp(lanes: Lanes, x: ir.Value) -> ir.Value:
    """`e^x / 2` for x >= 0, which is finite up to 89.4. Error below 1 ULP."""
    value, n, exponent = exp_mantissa(lanes, lanes.min(90.0, x))
    return scale_by_power_of_two(lanes, value, lanes.sub(n, 1.0), lanes.sub_int(exponent, 1))


def sinh(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Hyperbolic sine. Error below 2 ULP; infinite from |x| > 89.4."""
    magnitude = lanes.abs(x)
    square = lanes.mul(magnitude, magnitude)
    small = lanes.fma(lanes.mul(magnitude, square), lanes.polynomial(square, SINH_SMALL), magnitude)
    half = _half_exp(lanes, magnitude)
    large = lanes.sub(half, lanes.div(0.25, half))
    # The comparison also holds for NaN, which the polynomial keeps.
    return lanes.copysign(lanes.select(lanes.compare("ult", magnitude, 1.0), small, large), x)


def cosh(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Hyperbolic cosine. Error below 1.5 ULP; infinite from |x| > 89.4."""
    half = _half_exp(lanes, lanes.abs(x))
    return lanes.add(half, lanes.div(0.25, half))
