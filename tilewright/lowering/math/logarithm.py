"""log, log2, log10, log1p. The polynomial for log(1 + f), f within [sqrt(1/2) - 1, sqrt(2) - 1], is that of Cephes `logf`."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.lowering.math.lanes import Lanes

SMALLEST_NORMAL = 1.1754943508222875e-38
LOG_POLYNOMIAL = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
    -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
LOG2_E_MINUS_1 = 0.44269504088896340735992
LOG10_E_HIGH, LOG10_E_LOW = 0.43359375, 7.00731903251827651129e-4
LOG10_2_HIGH, LOG10_2_LOW = 3.0078125e-1, 2.48745663981195213739e-4


def _decomposed(lanes: Lanes, x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """`(e, f, tail)` with `x = 2^e (1 + f)` and `log(1 + f) = f + tail`. Denormals are scaled up first."""
    denormal = lanes.compare("olt", x, SMALLEST_NORMAL)
    bits = lanes.bits(lanes.select(denormal, lanes.mul(x, 8388608.0), x))
    # Subtracting the bits of sqrt(1/2) makes the exponent field count from there, so the mantissa lies around 1.
    exponent = lanes.shift_right(lanes.sub_int(bits, 0x3F3504F3), 23)
    mantissa = lanes.from_bits(lanes.sub_int(bits, lanes.shift_left(exponent, 23)))
    e = lanes.sub(lanes.to_float(exponent), lanes.select(denormal, lanes.constant(23.0), lanes.constant(0.0)))
    f = lanes.sub(mantissa, 1.0)
    square = lanes.mul(f, f)
    tail = lanes.mul(lanes.mul(f, square), lanes.polynomial(f, LOG_POLYNOMIAL))
    return e, f, lanes.fma(square, -0.5, tail)


def _with_special_cases(lanes: Lanes, x: ir.Value, result: ir.Value) -> ir.Value:
    """log of 0, of negative numbers, of infinity and NaN."""
    result = lanes.select(lanes.compare("ueq", x, float("inf")), x, result)
    result = lanes.select(lanes.compare("oeq", x, 0.0), lanes.constant(float("-inf")), result)
    return lanes.select(lanes.compare("olt", x, 0.0), lanes.constant(float("nan")), result)


def log(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Natural logarithm. Error below 1 ULP. log(0) = -inf, log(x < 0) = NaN."""
    e, f, tail = _decomposed(lanes, x)
    tail = lanes.fma(e, LN2_LOW, tail)
    return _with_special_cases(lanes, x, lanes.fma(e, LN2_HIGH, lanes.add(f, tail)))


def log2(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Base 2 logarithm. Error below 1.5 ULP (log2 e is applied in two parts, after Cephes `log2f`)."""
    e, f, tail = _decomposed(lanes, x)
    result = lanes.fma(f, LOG2_E_MINUS_1, lanes.mul(tail, LOG2_E_MINUS_1))
    result = lanes.add(lanes.add(lanes.add(result, tail), f), e)
    return _with_special_cases(lanes, x, result)


def log10(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Base 10 logarithm. Error below 1 ULP (constants in two parts, after Cephes `log10f`)."""
    e, f, tail = _decomposed(lanes, x)
    result = lanes.mul(lanes.add(f, tail), LOG10_E_LOW)
    result = lanes.fma(e, LOG10_2_LOW, result)
    result = lanes.fma(tail, LOG10_E_HIGH, result)
    result = lanes.fma(f, LOG10_E_HIGH, result)
    return _with_special_cases(lanes, x, lanes.fma(e, LOG10_2_HIGH, result))


def log1p(lanes: Lanes, x: ir.Value) -> ir.Value:
    """log(1 + x) without cancellation near 0. Error below 1.6 ULP (the rounding of 1 + x is corrected to first order)."""
    u = lanes.add(x, 1.0)
    lost = lanes.sub(x, lanes.sub(u, 1.0))
    corrected = lanes.add(log(lanes, u), lanes.div(lost, u))
    result = lanes.select(lanes.compare("oeq", u, 1.0), x, corrected)
    # At -1 and at infinity the correction is 0/0 or inf/inf.
    result = lanes.select(lanes.compare("oeq", x, float("inf")), x, result)
    return lanes.select(lanes.compare("oeq", x, -1.0), lanes.constant(float("-inf")), result)
