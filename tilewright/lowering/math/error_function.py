"""erf. The accurate form uses the two polynomials that N. Juffa published for a single-precision erf of about 1 ULP; the fast form
is the rational approximation of XLA and Eigen."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.lowering.math.exponential import exp_bounded
from tilewright.lowering.math.lanes import Lanes

ERF_SMALL = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
ERF_NUMERATOR = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
    -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
ERF_DENOMINATOR = (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02)


def erf(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Error function. Error below 1.1 ULP: an odd polynomial below 0.93, `1 - e^p(|x|)` above."""
    magnitude = lanes.abs(x)
    square = lanes.mul(x, x)
    bounded = lanes.min(4.0, magnitude)
    bounded_square = lanes.mul(bounded, bounded)
    high = lanes.fma(bounded, -1.72853470e-5, 3.83197126e-4)
    low = lanes.fma(bounded, -3.88396438e-3, 2.42546219e-2)
    p = lanes.fma(high, bounded_square, low)
    for coefficient in (-1.06777877e-1, -6.34846687e-1, -1.28717512e-1):
        p = lanes.fma(p, bounded, coefficient)
    p = lanes.fma(p, bounded, lanes.neg(bounded))
    large = lanes.copysign(lanes.sub(1.0, exp_bounded(lanes, p)), x)
    small = lanes.fma(lanes.polynomial(square, ERF_SMALL), x, x)
    # True only for numbers, so NaN takes the polynomial and stays NaN.
    return lanes.select(lanes.compare("ogt", magnitude, 0.927734375), large, small)


def erf_rational(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Error function, fast form with one division. Error below 7 ULP for |x| > 1e-30, below 1e-44 there."""
    clamped = lanes.clamp(x, -4.0, 4.0)
    square = lanes.mul(clamped, clamped)
    numerator = lanes.mul(lanes.polynomial(square, ERF_NUMERATOR), clamped)
    return lanes.div(numerator, lanes.polynomial(square, ERF_DENOMINATOR))
