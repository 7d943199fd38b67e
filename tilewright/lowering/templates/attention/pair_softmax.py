"""The online softmax whose probabilities are rounded to bf16, two neighbouring keys in one word, for processors with AVX512_BF16.

It differs from that in f32 where the rounding allows. Half a unit of the last place is a part of the exponential, so that cutting off
what does not fit into 16 bits rounds to the nearest. Totals sum what was rounded: errors of probabilities and totals cancel in part. A
maximum that rises a little is not followed: probabilities may be up to 2. After the conditional rescaling of FlashAttention-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.products.base import KeyBlock, Products
from tilewright.lowering.templates.attention.softmax import INVISIBLE, NOTHING_SEEN, OnlineSoftmax, Running
from tilewright.lowering.templates.control import for_loop, if_else

_EXP2 = (0.07802452147006989, 0.22606715559959412, 0.6958335638046265, 0.9999251961708069)
"""2^x on [0, 1), highest degree first: minimax in relative error (7.5e-5, a fiftieth of half a unit of the last place of bf16),
found by iteratively reweighted least squares."""
_HALF_UNIT = 2.0**-8
"""Of the last place of a bf16 in [1, 2)."""
_RISE = 1.0
"""By how much, in log2, a maximum may be exceeded before sums are scaled to a new one. With 8 it is a fiftieth faster, but the largest
probability of a row, which is 1 and exact under its own maximum, is rounded more often: errors grow by as much."""
_ROWS = 4
"""Rows of scores taken at once, two words of each lane: independent chains that hide the latency of the polynomial."""


@dataclass(frozen=True)
class PairSoftmax(OnlineSoftmax):
    """Scores in scratch are still to be multiplied with `score_scale`, which is positive; hidden ones are `INVISIBLE` as they are."""

    score_scale: float = 1.0

    def raise_maxima(self, running: Running, best: Sequence[ir.Value]) -> Running:
        lanes = self.context.lanes
        # What nothing was seen of stays so, whatever the scale.
        scaled = [lanes.select(lanes.compare("ogt", b, NOTHING_SEEN), lanes.mul(b, self.score_scale), INVISIBLE) for b in best]
        rises = arith.constant(ir.IntegerType.get_signless(1), 0)
        for value, maximum in zip(scaled, running.maxima, strict=True):
            rises = arith.ori(rises, lanes.any_lane(lanes.compare("ogt", value, lanes.add(maximum, _RISE))))
        types = [v.type for v in running.values]
        return Running.of(if_else(rises, lambda: self._rescale(running, scaled), lambda: running.values, types))

    def exponentiate(self, running: Running, block: KeyBlock, products: Products) -> Running:
        context, index, lanes = self.context, self.context.index, self.context.lanes
        # Without this, lanes that have seen nothing would take the difference of two huge numbers.
        subtracted = [lanes.select(lanes.compare("ogt", m, NOTHING_SEEN), m, 0.0) for m in running.maxima]

        def rows(first: ir.Value, totals: list[ir.Value]) -> list[ir.Value]:
            updated = list(totals)
            for offset in range(0, _ROWS, 2):
                pairs: list[ir.Value] = []
                for part, maximum in enumerate(subtracted):
                    places = [context.at(index.add(first, offset + row), part) for row in range(2)]
                    held = [self.scores.load_vector(at, context.rows.lanes) for at in places]
                    low, high = (_rounded_exp2(lanes, lanes.fma(value, self.score_scale, lanes.neg(maximum))) for value in held)
                    updated[part] = lanes.add(updated[part], lanes.add(low, high))
                    pairs.append(lanes.or_int(lanes.shift_right_logical(lanes.bits(low), 16), lanes.bits(high)))
                products.store_probabilities(index.add(first, offset), [pairs], range(context.vectors))
            return updated

        totals = for_loop(index, 0, index.round_up(block.count, products.padding), _ROWS, rows, running.totals)
        return Running(running.maxima, totals)


def _rounded_exp2(lanes: Lanes, power: ir.Value) -> ir.Value:
    """`2^power` rounded to bf16, as f32. The lower half of its words is 0."""
    i32, everywhere = ir.IntegerType.get_signless(32), arith.constant(ir.IntegerType.get_signless(16), -1)
    round_down, current_rounding = arith.constant(i32, 1), arith.constant(i32, 4)
    reduce = [power, round_down, power, everywhere, current_rounding]
    fraction = lanes.intrinsic("llvm.x86.avx512.mask.reduce.ps.512", lanes.f32, reduce)
    value = lanes.polynomial(fraction, (*_EXP2[:-1], _EXP2[-1] + _HALF_UNIT))
    scale = [value, power, value, everywhere, current_rounding]
    scaled = lanes.intrinsic("llvm.x86.avx512.mask.scalef.ps.512", lanes.f32, scale)
    return lanes.from_bits(lanes.and_int(lanes.bits(scaled), -(1 << 16)))
