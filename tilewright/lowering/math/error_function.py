"""erf and erfc. The accurate form uses the two polynomials that N. Juffa published for a single-precision erf of about 1 ULP; the fast form
is the rational approximation of XLA and Eigen. erfc has our own Chebyshev fit, in the form
of M. Shepherd and J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf", 1981."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
from tilewright.lowering.math.exponential import LOG2_E, exp_bounded
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.math.power import exp2_f64

ERF_SMALL = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
ERF_NUMERATOR = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05, -7.34990630326855e-04,
    -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
ERF_DENOMINATOR = (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02)

ONE_PLUS_ERF_POLYNOMIAL = (
    8.11032427e-4, -2.18414841e-3, 2.08357046e-3, -3.10976733e-3, 8.91341642e-3, -1.66219305e-2, 2.50466578e-2, -3.73694748e-2,
    5.36008403e-2, -7.16000944e-2, 9.07415375e-2, -1.1194066e-1, 1.39268756e-1, -1.88030019e-1, 3.77056926e-1,
)  # fmt: skip
"""`erf(x) / x` in `x^2 / 7.03125 - 1` for |x| <= 3.75: our least-squares fit, reweighted until x times its error is even, 3.8e-8. Its
degree is even, so that it grows beyond 1 outside, up to infinity.
"""
ONE_PLUS_ERF_SCALE = 1 / 7.03125

ERFC_POLYNOMIAL = (
    -2.773269222e-4, -7.983391415e-4, 1.994474591e-3, 2.579434685e-3, -2.379023418e-2, 6.829350976e-2, -1.192726527e-1, 1.296465756e-1,
    -4.756228054e-2, -1.356211434e-1, 1.253008058,
)  # fmt: skip
"""`(1 + 2x) exp(x^2) erfc(x)` in `(x - 3) / (x + 3)` for x within [0, 10.1], within 3.4e-9 (mpmath.chebyfit at 120 bits)."""


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


def one_plus_erf(lanes: Lanes, x: ir.Value) -> ir.Value:
    """`1 + erf(x)`, the factor of GELU, with half the instructions of erf: only the error of the sum counts, which is below 2.1e-7, and
    none far out, where the results are 0 and 2.
    """
    p = lanes.polynomial(lanes.fma(lanes.mul(x, x), ONE_PLUS_ERF_SCALE, -1.0), ONE_PLUS_ERF_POLYNOMIAL)
    return lanes.clamp(lanes.fma(p, x, 1.0), 0.0, 2.0)


def erf_rational(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Error function, fast form with one division. Error below 7 ULP for |x| > 1e-30, below 1e-44 there."""
    clamped = lanes.clamp(x, -4.0, 4.0)
    square = lanes.mul(clamped, clamped)
    numerator = lanes.mul(lanes.polynomial(square, ERF_NUMERATOR), clamped)
    return lanes.div(numerator, lanes.polynomial(square, ERF_DENOMINATOR))


def erfc(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Complementary error function `1 - erf(x)`, also where that is tiny. Error below 1.5 ULP: evaluated in f64, as five roundings in
    f32 would make more than 2. erfc(inf) = 0, erfc(-inf) = 2; from 10.06 on the result rounds to 0.
    """
    f64 = lanes.shaped(ir.F64Type.get())
    bounded = arith.ExtFOp(f64, lanes.min(10.1, lanes.abs(x))).result
    p = lanes.polynomial(lanes.div(lanes.sub(bounded, 3.0), lanes.add(bounded, 3.0)), ERFC_POLYNOMIAL)
    ratio = lanes.div(p, lanes.fma(bounded, 2.0, 1.0))
    right = lanes.mul(exp2_f64(lanes, lanes.mul(lanes.mul(bounded, bounded), -LOG2_E)), ratio)
    both = lanes.select(lanes.compare("olt", x, 0.0), lanes.sub(2.0, right), right)
    # Near 0 the fit is not exact enough, and 1 - erf is.
    small = lanes.sub(1.0, lanes.fma(lanes.polynomial(lanes.mul(x, x), ERF_SMALL), x, x))
    return lanes.select(lanes.compare("olt", lanes.abs(x), 0.5), small, arith.TruncFOp(lanes.f32, both).result)
