"""sin, cos, tan. Up to 1e5 the argument is reduced with pi/2 in three parts (Cody and Waite); beyond, exactly with 96 bits of 2/pi
(Payne and Hanek), which only runs when a lane needs it. The sine polynomial is SLEEF's, the cosine polynomial that of Cephes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tilewright.core.mlir import arith, ir, scf
from tilewright.lowering.math.lanes import Lanes

TWO_OVER_PI = 0.63661977236758134
PI_HALF_PARTS = (1.5707963705062866, -4.371139000186241e-08, -1.7151245100059e-15)
PI_HALF_WIDE = (1.5707963267948966, 6.123233995736766e-17)
"""pi/2 as two f64."""
FAST_LIMIT = 105615.0
"""Up to here the three-part reduction keeps the error below 1.6 ULP."""

SIN_POLYNOMIAL = (2.6083159809786593541503e-06, -0.0001981069071916863322258, 0.00833307858556509017944336, -0.166666597127914428710938)
COS_POLYNOMIAL = (2.44677067e-5, -1.38877297e-3, 4.16666567e-2, -0.5)

TAN_POLYNOMIAL = (
    0.004372994881123304, 9.774325008038431e-05, 0.010827750898897648, 0.0212861280888319, 0.054058920592069626,
    0.13332675397396088, 0.33333349227905273,
)  # fmt: skip
"""`(tan(r) / r - 1) / r^2` in r^2 for |r| <= pi/4: our minimax fit of the relative error."""

TWO_OVER_PI_WORDS = (0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041)
"""The fraction bits of 2/pi, most significant word first."""


def _reduce_fast(lanes: Lanes, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """`(quadrant, r)` with `x = quadrant * pi/2 + r`, |r| <= pi/4."""
    n, quadrant = lanes.round_scaled(x, TWO_OVER_PI)
    r = x
    for part in PI_HALF_PARTS:
        r = lanes.fma(n, -part, r)
    return quadrant, r


def _reduce_exact(lanes: Lanes, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """As `_reduce_fast`, for every finite |x| >= 2. The sign of x is folded in; infinity and NaN give r = NaN."""
    i64 = lanes.shaped(ir.IntegerType.get_signless(64))
    f64 = lanes.shaped(ir.F64Type.get())
    bits = lanes.bits(x)
    # |x| = mantissa * 2^(scale - 30) with a 32-bit mantissa whose top bit is set; scale >= 0 as |x| >= 2.
    scale = lanes.sub_int(lanes.and_int(lanes.shift_right_logical(bits, 23), 0xFF), 128)
    mantissa = lanes.or_int(lanes.shift_left(bits, 8), 0x80000000)
    word = lanes.shift_right_logical(scale, 5)
    shift = lanes.and_int(scale, 31)

    def pick(offset: int) -> ir.Value:
        """Word `word + offset` of 2/pi; before the first there are zeros."""
        chosen = lanes.constant(_word(offset), lanes.i32)
        for index in range(1, 4):
            chosen = lanes.select(lanes.compare_int("eq", word, index), lanes.constant(_word(index + offset), lanes.i32), chosen)
        return chosen

    words = [pick(offset) for offset in (-1, 0, 1, 2)]
    # Shifting a word right by 32 - shift in two steps keeps the count below 32 when shift is 0.
    back = lanes.sub_int(31, shift)
    high, middle, low = (
        lanes.or_int(lanes.shift_left(word_here, shift), lanes.shift_right_logical(lanes.shift_right_logical(word_next, 1), back))
        for word_here, word_next in pairwise(words)
    )
    wide = [arith.ExtUIOp(i64, w).result for w in (mantissa, high, middle, low)]
    product = lanes.mul_int(wide[0], wide[3])
    product = lanes.add_int(lanes.mul_int(wide[0], wide[2]), lanes.shift_right_logical(product, 32))
    product = lanes.add_int(lanes.shift_left(lanes.mul_int(wide[0], wide[1]), 32), product)
    # Bits 63 and 62 are the quadrant, the rest the fraction of a quadrant; fractions above 1/2 belong to the next one.
    rounded = lanes.add_int(product, 1 << 61)
    quadrant = arith.TruncIOp(lanes.i32, lanes.shift_right_logical(rounded, 62)).result
    fraction = lanes.sub_int(product, lanes.shift_left(lanes.shift_right_logical(rounded, 62), 62))
    angle = arith.MulFOp(arith.SIToFPOp(f64, fraction).result, lanes.constant(1.5707963267948966 * 2.0**-62, f64)).result
    r = arith.TruncFOp(lanes.f32, angle).result
    negative = lanes.compare_int("slt", bits, 0)
    r = lanes.select(negative, lanes.neg(r), r)
    quadrant = lanes.select(negative, lanes.sub_int(0, quadrant), quadrant)
    # x - x is NaN exactly for infinity and NaN.
    return quadrant, lanes.add(r, lanes.sub(x, x))


def _word(index: int) -> int:
    return TWO_OVER_PI_WORDS[index] if 0 <= index < len(TWO_OVER_PI_WORDS) else 0


def _reduce(lanes: Lanes, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    quadrant, r = _reduce_fast(lanes, x)
    # "Not below" includes NaN.
    large = lanes.compare("uge", lanes.abs(x), FAST_LIMIT)
    branch = scf.IfOp(lanes.any_lane(large), [quadrant.type, r.type], has_else=True)
    with ir.InsertionPoint(branch.then_block):
        exact_quadrant, exact_r = _reduce_exact(lanes, x)
        scf.YieldOp([lanes.select(large, exact_quadrant, quadrant), lanes.select(large, exact_r, r)])
    with ir.InsertionPoint(branch.operation.regions[1].blocks[0]):
        scf.YieldOp([quadrant, r])
    results: Sequence[ir.Value] = list(branch.results_)
    return results[0], results[1]


def _sin_and_cos(lanes: Lanes, r: ir.Value) -> tuple[ir.Value, ir.Value]:
    square = lanes.mul(r, r)
    sine = lanes.fma(lanes.mul(r, square), lanes.polynomial(square, SIN_POLYNOMIAL), r)
    cosine = lanes.fma(lanes.polynomial(square, COS_POLYNOMIAL), square, 1.0)
    return sine, cosine


def _at_quadrant(lanes: Lanes, quadrant: ir.Value, r: ir.Value) -> ir.Value:
    """sin(quadrant * pi/2 + r)."""
    sine, cosine = _sin_and_cos(lanes, r)
    odd = lanes.compare_int("ne", lanes.and_int(quadrant, 1), 0)
    sign = lanes.shift_left(lanes.and_int(quadrant, 2), 30)
    return lanes.from_bits(lanes.xor_int(lanes.bits(lanes.select(odd, cosine, sine)), sign))


def sin(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Sine of any float. Error below 1.6 ULP."""
    quadrant, r = _reduce(lanes, x)
    return lanes.select(lanes.compare("oeq", x, 0.0), x, _at_quadrant(lanes, quadrant, r))


def cos(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Cosine of any float. Error below 1.6 ULP."""
    quadrant, r = _reduce(lanes, x)
    return _at_quadrant(lanes, lanes.add_int(quadrant, 1), r)


def tan(lanes: Lanes, x: ir.Value) -> ir.Value:
    """Tangent of any float. Error below 2 ULP."""
    quadrant, r = _reduce(lanes, x)
    # tan takes the error of r up to 1.6 times, so what the reduction rounded off is found again in f64.
    n, _ = lanes.round_scaled(x, TWO_OVER_PI)
    f64 = lanes.shaped(ir.F64Type.get())
    wide_n, wide_r, angle = (arith.ExtFOp(f64, v).result for v in (n, r, x))
    for part in PI_HALF_WIDE:
        angle = lanes.fma(wide_n, -part, angle)
    rest = arith.TruncFOp(lanes.f32, lanes.sub(angle, wide_r)).result
    rest = lanes.select(lanes.compare("olt", lanes.abs(x), FAST_LIMIT), rest, 0.0)
    square = lanes.mul(r, r)
    # The derivative is 1 + r^2 + 2/3 r^4 + ...
    slope = lanes.fma(lanes.mul(rest, square), lanes.fma(square, 2 / 3, 1.0), rest)
    tangent = lanes.add(r, lanes.fma(lanes.mul(r, square), lanes.polynomial(square, TAN_POLYNOMIAL), slope))
    odd = lanes.compare_int("ne", lanes.and_int(quadrant, 1), 0)
    quotient = lanes.select(odd, lanes.div(-1.0, tangent), tangent)
    return lanes.select(lanes.compare("oeq", x, 0.0), x, quotient)
