"""asin, acos, atan, atan2 in the manner of Cephes' single-precision routines."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.lowering.math.lanes import Lanes

PI = 3.14159265358979323846
PI_HALF, PI_QUARTER = PI / 2, PI / 4
ASIN_POLYNOMIAL = (4.2163199048e-2, 2.4181311049e-2, 4.5470025998e-2, 7.4953002686e-2, 1.6666752422e-1)
ATAN_POLYNOMIAL = (
    0.0305787343531847, -0.07497739791870117, 0.1085478663444519,
    -0.14268499612808228, 0.199995756149292, -0.3333333134651184,
)  # fmt: skip
"""`(atan(t) / t - 1) / t^2` in t^2 for |t| <= ATAN_SMALL: our minimax fit."""
ATAN_SMALL = 0.54630248984379
"""tan(1/2): up to here the polynomial is the result itself; above, results are at least 1/2, and so are their ULP twice as large."""
PI_LOW = -8.742277657347586e-08
"""pi minus its f32 rounding."""


def _asin_core(lanes: Lanes, x: ir.Value) -> ir.Value:
    square = lanes.mul(x, x)
    return lanes.fma(lanes.mul(x, square), lanes.polynomial(square, ASIN_POLYNOMIAL), x)


def asin(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Arc sine; NaN outside [-1, 1]. Error below 1.3 ULP."""
    magnitude = lanes.abs(x)
    root = lanes.sqrt(lanes.mul(lanes.sub(1.0, magnitude), 0.5))
    large = lanes.compare("ogt", magnitude, 0.5)
    argument = lanes.select(large, root, magnitude)
    square = lanes.mul(argument, argument)
    rest = lanes.mul(lanes.mul(argument, square), lanes.polynomial(square, ASIN_POLYNOMIAL))
    # pi/2 - 2 (root + rest), of which only the last difference is rounded noticeably.
    doubled = lanes.add(root, root)
    high = lanes.sub(PI_HALF, doubled)
    low = lanes.add(lanes.sub(lanes.sub(PI_HALF, high), doubled), PI_LOW / 2)
    folded = lanes.add(high, lanes.fma(rest, -2.0, low))
    return lanes.copysign(lanes.select(large, folded, lanes.add(magnitude, rest)), x)


def acos(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Arc cosine; NaN outside [-1, 1]. Error below 1.3 ULP."""
    magnitude = lanes.abs(x)
    root = lanes.sqrt(lanes.mul(lanes.sub(1.0, magnitude), 0.5))
    large = lanes.compare("ogt", magnitude, 0.5)
    core = _asin_core(lanes, lanes.select(large, root, x))
    doubled = lanes.add(core, core)
    near_one = lanes.select(lanes.compare("olt", x, 0.0), lanes.sub(PI, lanes.sub(doubled, PI_LOW)), doubled)
    middle = lanes.sub(PI_HALF, lanes.sub(core, PI_LOW / 2))
    return lanes.select(large, near_one, middle)


def atan(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Arc tangent. Error below 1.4 ULP."""
    return lanes.copysign(_atan_of_ratio(lanes, lanes.abs(x), lanes.constant(1.0)), x)


def _atan_of_ratio(lanes: Lanes, y: ir.Value, x: ir.Value) -> ir.Value:
    """atan(y / x) for y, x >= 0, with one division."""
    # The sum of both must stay finite.
    huge = lanes.compare("ogt", lanes.add(y, x), 1.0e38)
    y, x = (lanes.select(huge, lanes.mul(v, 0.25), v) for v in (y, x))
    steep = lanes.compare("ogt", lanes.mul(y, ATAN_SMALL), x)
    moderate = lanes.compare("ogt", y, lanes.mul(x, ATAN_SMALL))
    numerator = lanes.select(steep, lanes.neg(x), lanes.select(moderate, lanes.sub(y, x), y))
    denominator = lanes.select(steep, y, lanes.select(moderate, lanes.add(y, x), x))
    t = lanes.div(numerator, denominator)
    zero = lanes.constant(0.0)
    offset = lanes.select(steep, lanes.constant(PI_HALF), lanes.select(moderate, lanes.constant(PI_QUARTER), zero))
    low = lanes.select(steep, lanes.constant(PI_LOW / 2), lanes.select(moderate, lanes.constant(PI_LOW / 4), zero))
    square = lanes.mul(t, t)
    series = lanes.fma(lanes.mul(t, square), lanes.polynomial(square, ATAN_POLYNOMIAL), lanes.add(t, low))
    return lanes.add(offset, series)


def atan2(lanes: Lanes, y: ir.Value, x: ir.Value) -> ir.Value:
    """Angle of the point (x, y) in [-pi, pi], with the signed zeros and infinities of C. Error below 2 ULP."""
    infinity = float("inf")
    both_infinite = lanes.and_int(lanes.compare("oeq", lanes.abs(x), infinity), lanes.compare("oeq", lanes.abs(y), infinity))
    one = lanes.constant(1.0)
    magnitude_x = lanes.select(both_infinite, one, lanes.abs(x))
    magnitude_y = lanes.select(both_infinite, one, lanes.abs(y))
    both_zero = lanes.and_int(lanes.compare("oeq", x, 0.0), lanes.compare("oeq", y, 0.0))
    angle = _atan_of_ratio(lanes, magnitude_y, lanes.select(both_zero, one, magnitude_x))
    x_negative = lanes.compare_int("slt", lanes.bits(x), 0)
    angle = lanes.select(x_negative, lanes.sub(PI, lanes.sub(angle, PI_LOW)), angle)
    return lanes.copysign(angle, y)
