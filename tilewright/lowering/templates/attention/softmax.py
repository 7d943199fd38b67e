"""The arithmetic of an online softmax on vectors whose lanes are queries.

Scores are finite: a key that a query does not see scores `INVISIBLE`. Additive masks are kept above it, so that a row whose keys all
carry a very negative mask is still a softmax of them, while a row that sees no key at all is known by its maximum.
"""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
from tilewright.lowering.math.lanes import Lanes

INVISIBLE = -2.0e38
LOWEST_MASK = -1.0e38
NOTHING_SEEN = -1.5e38
"""A running maximum below this has met only invisible keys."""

LOG2_E = 1.4426950408889634
EXP2_POLYNOMIAL = (
    0.0013276472454890609,
    0.009675540961325169,
    0.05550713092088699,
    0.24022120237350464,
    0.6931469440460205,
    1.0000001192092896,
)
"""2^x on [-0.5, 0.5], highest degree first: minimax in relative error (7.5e-8), found by iteratively reweighted least squares."""

_MAGIC = 12582912.0
"""1.5 * 2^23: adding it to |x| < 2^22 leaves the nearest integer in the low mantissa bits."""


def exp_of_difference(lanes: Lanes, score: ir.Value, maximum: ir.Value) -> ir.Value:
    """`exp(score - maximum)` for `score <= maximum`. Error below 1e-6 relative where the result exceeds 1e-7.

    With AVX-512 the power of two is one instruction that also underflows to 0; elsewhere results stop at 2^-126.
    """
    power = lanes.mul(lanes.sub(score, maximum), LOG2_E)
    if lanes.width == 16 and lanes.has("avx512f"):
        whole = lanes.round_even(power)
        value = lanes.polynomial(lanes.sub(power, whole), EXP2_POLYNOMIAL)
        everywhere = arith.constant(ir.IntegerType.get_signless(16), -1)
        current_rounding = arith.constant(ir.IntegerType.get_signless(32), 4)
        return lanes.intrinsic("llvm.x86.avx512.mask.scalef.ps.512", lanes.f32, [value, whole, value, everywhere, current_rounding])
    bounded = lanes.max(-126.0, power)
    shifted = lanes.add(bounded, _MAGIC)
    value = lanes.polynomial(lanes.sub(bounded, lanes.sub(shifted, _MAGIC)), EXP2_POLYNOMIAL)
    return lanes.from_bits(lanes.add_int(lanes.bits(value), lanes.shift_left(lanes.bits(shifted), 23)))
