"""rsqrt, pow and integer powers."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.core.mlir import arith, ir, math
from tilewright.lowering.math.lanes import Lanes

LN2 = 0.69314718055994530942


def rsqrt(lanes: Lanes, x: ir.Value) -> ir.Value:
    """1 / sqrt(x). Error below 1.5 ULP, correct for denormals, 0 and infinity."""
    return lanes.div(1.0, lanes.sqrt(x))


def rsqrt_estimated(lanes: Lanes, x: ir.Value) -> ir.Value:
    """1 / sqrt(x), fast form: the 14-bit estimate of AVX-512 and one Newton step, below 2 ULP for normal x; elsewhere `rsqrt`."""
    if lanes.width != 16 or not lanes.has("avx512f"):
        return rsqrt(lanes, x)
    everywhere = arith.ConstantOp(ir.IntegerType.get_signless(16), -1).result
    estimate = lanes.intrinsic("llvm.x86.avx512.rsqrt14.ps.512", lanes.f32, [x, x, everywhere])
    correction = lanes.fma(lanes.mul(lanes.mul(x, -0.5), estimate), estimate, 0.5)
    refined = lanes.fma(estimate, correction, estimate)
    # At 0 and infinity the correction is not a small number; the estimate is already right there.
    return lanes.select(lanes.compare("olt", lanes.abs(correction), 0.1), refined, estimate)


def pow(lanes: Lanes, x: ir.Value, y: ir.Value) -> ir.Value:
    """x^y with the special cases of C. Error below 1 ULP: the logarithm and the exponential are evaluated in f64.

    log2(1 + f) is `2 atanh(f / (2 + f)) / ln 2` by its Taylor series up to the 11th power (relative error 2^-36 and less for
    f within [sqrt(1/2) - 1, sqrt(2) - 1]); 2^r by its Taylor series up to r^9.
    """
    magnitude = lanes.abs(x)
    product = _log2_f64(lanes, magnitude, y)
    # The rounding to f32 overflows and underflows gradually.
    result = arith.TruncFOp(lanes.f32, exp2_f64(lanes, product)).result
    return _pow_special_cases(lanes, x, y, magnitude, result)


def _log2_f64(lanes: Lanes, magnitude: ir.Value, y: ir.Value) -> ir.Value:
    """y * log2(magnitude) as f64 lanes, for finite positive magnitude."""
    f64 = lanes.shaped(ir.F64Type.get())
    denormal = lanes.compare("olt", magnitude, 1.1754943508222875e-38)
    bits = lanes.bits(lanes.select(denormal, lanes.mul(magnitude, 8388608.0), magnitude))
    exponent = lanes.shift_right(lanes.sub_int(bits, 0x3F3504F3), 23)
    mantissa = lanes.from_bits(lanes.sub_int(bits, lanes.shift_left(exponent, 23)))
    exponent = lanes.sub_int(exponent, lanes.select(denormal, lanes.constant(23, lanes.i32), lanes.constant(0, lanes.i32)))
    m = arith.ExtFOp(f64, mantissa).result
    s = arith.DivFOp(lanes.add(m, -1.0), lanes.add(m, 1.0)).result
    square = arith.MulFOp(s, s).result
    series = lanes.polynomial(square, [2.0 / (LN2 * k) for k in (13, 11, 9, 7, 5, 3, 1)])
    e = arith.SIToFPOp(f64, exponent).result
    log2 = math.FmaOp(s, series, e).result
    return arith.MulFOp(log2, arith.ExtFOp(f64, y).result).result


def exp2_f64(lanes: Lanes, x: ir.Value) -> ir.Value:
    """2^x of f64 lanes, for |x| <= 200 (clamped)."""
    clamped = lanes.clamp(x, -200.0, 200.0)
    # Adding 1.5 * 2^52 leaves the nearest integer in the low bits.
    shifted = lanes.add(clamped, 6755399441055744.0)
    n = lanes.add(shifted, -6755399441055744.0)
    r = arith.SubFOp(clamped, n).result
    coefficients, factorial = [], 1.0
    for k in range(10):
        factorial *= max(k, 1)
        coefficients.append(LN2**k / factorial)
    value = lanes.polynomial(r, coefficients[::-1])
    i64 = lanes.shaped(ir.IntegerType.get_signless(64))
    exponent = lanes.sub_int(arith.BitcastOp(i64, shifted).result, 0x4338000000000000)
    scale = arith.BitcastOp(lanes.shaped(ir.F64Type.get()), lanes.shift_left(lanes.add_int(exponent, 1023), 52)).result
    return arith.MulFOp(value, scale).result


def _pow_special_cases(lanes: Lanes, x: ir.Value, y: ir.Value, magnitude: ir.Value, result: ir.Value) -> ir.Value:
    infinity = float("inf")
    truncated = math.TruncOp(y).result
    is_integer = lanes.compare("oeq", truncated, y)
    half = lanes.mul(y, 0.5)
    # From 2^24 on every float is even, so halving says the truth there too.
    is_odd = lanes.and_int(is_integer, lanes.compare("une", math.TruncOp(half).result, half))
    is_odd = lanes.and_int(is_odd, lanes.compare("olt", lanes.abs(y), 16777216.0))
    y_negative = lanes.compare("olt", y, 0.0)
    zero, infinite, one = lanes.constant(0.0), lanes.constant(infinity), lanes.constant(1.0)
    at_zero = lanes.select(y_negative, infinite, zero)
    result = lanes.select(lanes.compare("oeq", magnitude, 0.0), at_zero, result)
    result = lanes.select(lanes.compare("oeq", magnitude, infinity), lanes.select(y_negative, zero, infinite), result)
    above_one = lanes.compare("ogt", magnitude, 1.0)
    towards = lanes.select(lanes.xor_int(above_one, y_negative), infinite, zero)
    towards = lanes.select(lanes.compare("oeq", magnitude, 1.0), one, towards)
    result = lanes.select(lanes.compare("oeq", lanes.abs(y), infinity), towards, result)
    sign_set = lanes.compare_int("slt", lanes.bits(x), 0)
    negated = lanes.and_int(sign_set, is_odd)
    result = lanes.select(negated, lanes.neg(result), result)
    finite_negative = lanes.and_int(lanes.compare("olt", x, 0.0), lanes.compare("olt", magnitude, infinity))
    finite_y = lanes.compare("olt", lanes.abs(y), infinity)
    fractional = lanes.and_int(finite_y, lanes.xor_int(is_integer, lanes.constant(1, lanes.i1)))
    result = lanes.select(lanes.and_int(finite_negative, fractional), lanes.constant(float("nan")), result)
    result = lanes.select(lanes.compare("uno", x, y), lanes.add(x, y), result)
    unit = lanes.or_int(lanes.compare("oeq", x, 1.0), lanes.compare("oeq", y, 0.0))
    return lanes.select(unit, one, result)


def integer_power(multiply: Callable[[ir.Value, ir.Value], ir.Value], x: ir.Value, exponent: int) -> ir.Value:
    """x^exponent for exponent >= 1 by repeated squaring; `multiply` builds a product."""
    power, base = None, x
    while exponent:
        if exponent & 1:
            power = base if power is None else multiply(power, base)
        exponent >>= 1
        if exponent:
            base = multiply(base, base)
    if power is None:
        raise ValueError("the exponent must be at least 1")
    return power
