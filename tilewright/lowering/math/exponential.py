"""exp, exp2, expm1. Range reduction by powers of two; polynomial coefficients of exp are SLEEF's (`expf`, degree 7)."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir, math, vector
from tilewright.lowering.math.lanes import Lanes

LOG2_E = 1.4426950408889634
LOG2_E_HIGH, LOG2_E_LOW = 1.44269502162933349609375, 1.9259629911266175e-8
"""log2 e in two parts; the first is the nearest f32."""
LN2_HIGH, LN2_LOW = 0.693145751953125, 1.42860682030941723212e-6
"""ln 2 in two parts; the first has 14 significant bits, so its product with a small integer is exact."""

EXP_POLYNOMIAL = (0.000198527617612853646, 0.00139304355252534151, 0.00833336077630519867, 0.0416664853692054749, 0.166666671633720398, 0.5)


SOFTMAX_POLYNOMIAL = (
    0.008315992541611195, 0.04189002886414528, 0.1666688472032547, 0.4999926686286926, 1.0000001192092896, 1.0,
)  # fmt: skip
"""e^r within 1.2e-7 for |r| <= ln(2)/2: our minimax fit of the relative error, with the constant term exact."""
LN2 = 0.69314718055994530942


def exp_mantissa(lanes: Lanes, x: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """`(exp(r), n as f32, n as i32)` with `x = n ln2 + r`. A target with the capability `exp2` has an instruction for it (within 2 ULP)."""
    n, exponent = lanes.round_scaled(x, LOG2_E)
    if lanes.has("exp2"):
        fraction = lanes.fma(x, LOG2_E_LOW, lanes.fma(x, LOG2_E_HIGH, lanes.neg(n)))
        return math.Exp2Op(fraction).result, n, exponent
    r = lanes.fma(n, -LN2_HIGH, x)
    r = lanes.fma(n, -LN2_LOW, r)
    u = lanes.polynomial(r, EXP_POLYNOMIAL)
    return lanes.add(lanes.fma(lanes.mul(r, r), u, r), 1.0), n, exponent


def scale_by_power_of_two(lanes: Lanes, value: ir.Value, n: ir.Value, exponent: ir.Value) -> ir.Value:
    """`value * 2^n` for |n| <= 252, with overflow to infinity and gradual underflow."""
    if lanes.width == 16 and lanes.has("avx512f"):
        return _scale_f32x16(lanes, value, n)
    half = lanes.shift_right(exponent, 1)
    rest = lanes.sub_int(exponent, half)
    return lanes.mul(lanes.mul(value, lanes.power_of_two(half)), lanes.power_of_two(rest))


def _scale_f32x16(lanes: Lanes, value: ir.Value, n: ir.Value, where: ir.Value | None = None) -> ir.Value:
    """`value * 2^n` by the instruction of AVX-512; 0 in lanes outside `where`, for which nothing is computed."""
    i16 = ir.IntegerType.get_signless(16)
    current_rounding = arith.ConstantOp(ir.IntegerType.get_signless(32), 4).result
    if where is None:
        mask, other = arith.ConstantOp(i16, -1).result, value
    else:
        packed = vector.BitCastOp(ir.VectorType.get([1], i16), where).result
        mask, other = vector.ExtractOp(packed, [], ir.DenseI64ArrayAttr.get([0])).result, lanes.constant(0.0)
    return lanes.intrinsic("llvm.x86.avx512.mask.scalef.ps.512", lanes.f32, [value, n, other, mask, current_rounding])


def exp(lanes: Lanes, x: ir.Value) -> ir.Value:
    """e^x. Error below 1 ULP; results that are denormal: below 1 ULP of the denormal grid. exp(-inf) = 0, exp(inf) = inf."""
    if lanes.width == 16 and lanes.has("avx512f"):
        value, n, _ = exp_mantissa(lanes, lanes.min(89.0, x))
        # What rounds to 0 is not computed: far out it is what a mask leaves, and underflow takes a hundred times as long.
        return _scale_f32x16(lanes, value, n, lanes.compare("uge", x, -103.9721))
    value, n, exponent = exp_mantissa(lanes, lanes.clamp(x, -104.5, 89.0))
    return scale_by_power_of_two(lanes, value, n, exponent)


def exp_bounded(lanes: Lanes, x: ir.Value) -> ir.Value:
    """e^x for x that the caller knows to be within [-87, 88]. Error below 1 ULP."""
    value, _, exponent = exp_mantissa(lanes, x)
    return lanes.from_bits(lanes.add_int(lanes.bits(value), lanes.shift_left(exponent, 23)))


def exp_nonpositive(lanes: Lanes, x: ir.Value) -> ir.Value:
    """e^x for x <= 0, where only the relative error counts: the terms of a softmax. Below 2.3e-7 + 3e-9 |x|; exp(0) = 1.

    0 below -87, where results would be denormal: masked elements are far below, and an instruction with a denormal result takes a
    hundred times as long.
    """
    if lanes.has("exp2"):
        return exp(lanes, x)
    n, exponent = lanes.round_scaled(x, LOG2_E)
    r = lanes.fma(n, -LN2, x)
    value = lanes.polynomial(r, SOFTMAX_POLYNOMIAL)
    # Also true for NaN, which stays NaN.
    exists = lanes.compare("uge", x, -87.0)
    if lanes.width == 16 and lanes.has("avx512f"):
        return _scale_f32x16(lanes, value, n, exists)
    scaled = lanes.from_bits(lanes.add_int(lanes.bits(value), lanes.shift_left(exponent, 23)))
    return lanes.select(exists, scaled, 0.0)


def exp2(lanes: Lanes, x: ir.Value) -> ir.Value:
    """2^x. Error below 1.1 ULP; that of the instruction where the target has the capability `exp2`."""
    if lanes.has("exp2"):
        return math.Exp2Op(x).result
    clamped = lanes.clamp(x, -151.0, 129.0)
    n, exponent = lanes.round_scaled(clamped, 1.0)
    r = lanes.sub(clamped, n)
    # t + low = r * ln 2 to twice the precision; only the leading term of the polynomial needs the low part.
    t = lanes.mul(r, 0.693147182464599609375)
    low = lanes.fma(r, -1.904654323148236e-09, lanes.fma(r, 0.693147182464599609375, lanes.neg(t)))
    u = lanes.polynomial(t, EXP_POLYNOMIAL)
    value = lanes.add(lanes.add(lanes.fma(lanes.mul(t, t), u, low), t), 1.0)
    return scale_by_power_of_two(lanes, value, n, exponent)


def expm1(lanes: Lanes, x: ir.Value) -> ir.Value:
    """e^x - 1 without cancellation near 0. Error below 1.5 ULP."""
    clamped = lanes.clamp(x, -25.0, 89.0)
    n, exponent = lanes.round_scaled(clamped, LOG2_E)
    r = lanes.fma(n, -LN2_HIGH, clamped)
    r = lanes.fma(n, -LN2_LOW, r)
    u = lanes.polynomial(r, EXP_POLYNOMIAL)
    near_zero = lanes.fma(lanes.mul(r, r), u, r)
    # 2^n (e^r - 1) + (2^n - 1); n = 128 overflows, so one factor of 2 is applied last.
    scale = lanes.power_of_two(lanes.sub_int(exponent, 1))
    halved = lanes.fma(near_zero, scale, lanes.sub(scale, 0.5))
    result = lanes.add(halved, halved)
    tiny = lanes.compare("olt", lanes.abs(x), 5.9604644775390625e-08)
    return lanes.select(tiny, x, result)
