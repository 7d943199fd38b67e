"""The online softmax: running maxima and sums of vectors whose lanes are queries. After Milakov and Gimelshein, "Online normalizer
calculation for softmax", 2018.

Scores are finite and in units of log2. A key that a query does not see scores `INVISIBLE`. Additive masks are kept above it, so that a
row whose keys all carry a very negative mask is still a softmax of them, while a row that sees no key at all is known by its maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.math.logarithm import log
from tilewright.lowering.templates.attention.element_types import widened
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat

if TYPE_CHECKING:
    from tilewright.lowering.templates.attention.context import KernelContext
    from tilewright.lowering.templates.attention.products.base import KeyBlock, Products
    from tilewright.lowering.templates.attention.rows import TilePlace

INVISIBLE = -2.0e38
LOWEST_MASK = -1.0e38
NOTHING_SEEN = -1.5e38
"""A running maximum below this has met only invisible keys."""

LOG2_E = 1.4426950408889634
_EXP2_AROUND_0 = (
    0.0013276472454890609,
    0.009675540961325169,
    0.05550713092088699,
    0.24022120237350464,
    0.6931469440460205,
    1.0000001192092896,
)
"""2^x on [-0.5, 0.5], highest degree first: minimax in relative error (7.5e-8), found by iteratively reweighted least squares."""
_EXP2_FROM_0_TO_1 = (
    0.0018775766948238015,
    0.008989340625703335,
    0.05582631751894951,
    0.24015361070632935,
    0.6931530833244324,
    0.9999999403953552,
)
"""2^x on [0, 1), likewise."""

ROWS_AT_ONCE = 4
"""Rows of scores whose exponentials are computed together: independent chains hide the latency of the polynomial."""

_MAGIC = 12582912.0
"""1.5 * 2^23: adding it to |x| < 2^22 leaves the nearest integer in the low mantissa bits."""


@dataclass(frozen=True)
class Running:
    """Of each lane, by vector: the largest score so far, and the sum of `2^(score - maximum)`."""

    maxima: list[ir.Value]
    totals: list[ir.Value]

    @property
    def values(self) -> list[ir.Value]:
        """As values that a loop carries."""
        return [*self.maxima, *self.totals]

    @staticmethod
    def of(values: Sequence[ir.Value]) -> Running:
        """From values that a loop carried."""
        half = len(values) // 2
        return Running(list(values[:half]), list(values[half:]))


@dataclass(frozen=True)
class OnlineSoftmax:
    """`scores` and `sums` are those of the products; `factors` (`[tile]`) is what sums are multiplied with in the end; `logsumexp` is the
    second result.
    """

    context: KernelContext
    scores: Flat
    sums: Flat
    factors: Flat
    logsumexp: Flat | None = None

    def start(self, place: TilePlace) -> Running:
        """Before the first block of a tile; clears the sums. A sink is a score without a value."""
        context, lanes = self.context, self.context.lanes
        zero = lanes.constant(0.0)

        def clear(row: ir.Value, _: list[ir.Value]) -> None:
            for part in range(context.vectors):
                self.sums.store_vector(zero, context.at(row, part))

        for_loop(context.index, 0, context.problem.value_size, 1, clear)
        sinks, tensor = context.input(context.problem.sinks), context.problem.sinks
        if sinks is None or tensor is None:
            return Running(self.nothing_seen(), [zero] * context.vectors)
        held = [widened(context.rows.gather(sinks, tensor, place, part)) for part in range(context.vectors)]
        return Running([lanes.max(INVISIBLE, lanes.mul(sink, LOG2_E)) for sink in held], [lanes.constant(1.0)] * context.vectors)

    def nothing_seen(self) -> list[ir.Value]:
        """The largest score of no keys, by vector."""
        return [self.context.lanes.constant(INVISIBLE)] * self.context.vectors

    def raise_maxima(self, running: Running, best: Sequence[ir.Value]) -> Running:
        """Take the largest scores of a block into account: where they are new maxima, what was summed under the old ones is scaled."""
        lanes = self.context.lanes
        rises = arith.constant(ir.IntegerType.get_signless(1), 0)
        for value, maximum in zip(best, running.maxima, strict=True):
            rises = arith.ori(rises, lanes.any_lane(lanes.compare("ogt", value, maximum)))
        types = [v.type for v in running.values]
        return Running.of(if_else(rises, lambda: self._rescale(running, best), lambda: running.values, types))

    def exponentiate(self, running: Running, block: KeyBlock, products: Products) -> Running:
        """Turn a block's scores into probabilities, which the products keep, and add them to the totals."""
        context, index, lanes, height = self.context, self.context.index, self.context.lanes, products.stored_together

        def rows(first: Index, count: int, parts: range, totals: list[ir.Value]) -> list[ir.Value]:
            totals = list(totals)
            values: list[list[ir.Value]] = []
            for row in range(count):
                held = [self.scores.load_vector(context.at(index.add(first, row), part), context.rows.lanes) for part in parts]
                values.append([exp2_of_difference(lanes, value, running.maxima[part]) for part, value in zip(parts, held)])
            for of_row in values:
                for part, value in zip(parts, of_row):
                    totals[part] = arith.addf(totals[part], value)
            for row in range(0, count, height):
                products.store_probabilities(index.add(first, row), values[row : row + height], parts)
            return totals

        totals = running.totals
        together = max(ROWS_AT_ONCE, height)
        for first, end, parts in block.ranges(index, index.round_up(block.count, products.padding)):
            whole = index.add(first, index.mul(index.div(index.sub(end, first), together), together))
            totals = for_loop(index, first, whole, together, lambda k, held, parts=parts: rows(k, together, parts, held), totals)
            totals = for_loop(index, whole, end, height, lambda k, held, parts=parts: rows(k, height, parts, held), totals)
        return Running(running.maxima, totals)

    def finish(self, place: TilePlace, running: Running) -> None:
        """After the last block of a tile: write the factors, and the second result. Rows that saw nothing get 0, and minus infinity."""
        context, lanes, place_of_row = self.context, self.context.lanes, self.context.problem.logsumexp
        for part, (maximum, total) in enumerate(zip(running.maxima, running.totals, strict=True)):
            seen = lanes.compare("ogt", maximum, NOTHING_SEEN)
            # A NaN maximum is a row of NaN, not a row that sees nothing.
            seen = arith.ori(seen, lanes.compare("uno", maximum, maximum))
            factor = lanes.select(seen, lanes.div(1.0, total), lanes.constant(0.0))
            self.factors.store_vector(factor, part * context.rows.lanes)
            if self.logsumexp is not None and place_of_row is not None:
                logarithm = lanes.fma(maximum, 1 / LOG2_E, log(lanes, total))
                logarithm = lanes.select(seen, logarithm, lanes.constant(float("-inf")))
                context.rows.scatter(logarithm, self.logsumexp, place_of_row, place, part)

    def _rescale(self, running: Running, best: Sequence[ir.Value]) -> list[ir.Value]:
        context, lanes = self.context, self.context.lanes
        raised = [lanes.max(new, old) for new, old in zip(best, running.maxima, strict=True)]
        factors = [exp2_of_difference(lanes, old, new) for old, new in zip(running.maxima, raised)]

        def scale(row: ir.Value, _: list[ir.Value]) -> None:
            for part, factor in enumerate(factors):
                at = context.at(row, part)
                self.sums.store_vector(arith.mulf(self.sums.load_vector(at, context.rows.lanes), factor), at)

        for_loop(context.index, 0, context.problem.value_size, 1, scale)
        return [*raised, *(arith.mulf(total, factor) for total, factor in zip(running.totals, factors))]


def exp2_of_difference(lanes: Lanes, score: ir.Value, maximum: ir.Value) -> ir.Value:
    """`2^(score - maximum)` for `score <= maximum`. Error below 2.5e-7 relative where the result exceeds 2^-100.

    With AVX-512, what is above the next lower integer is one instruction, and so is scaling by the power of two of that integer. Results
    below 2^-100 are 0 then, since products with them are below the normal numbers, which cost a hundred cycles each. Elsewhere results
    stop at 2^-126.
    """
    power = lanes.sub(score, maximum)
    if lanes.width == 16 and lanes.has("avx512dq"):
        i32, everywhere = ir.IntegerType.get_signless(32), arith.constant(ir.IntegerType.get_signless(16), -1)
        round_down, current_rounding = arith.constant(i32, 1), arith.constant(i32, 4)
        reduce = [power, round_down, power, everywhere, current_rounding]
        fraction = lanes.intrinsic("llvm.x86.avx512.mask.reduce.ps.512", lanes.f32, reduce)
        value = lanes.polynomial(fraction, _EXP2_FROM_0_TO_1)
        kept = vector.bitcast(ir.VectorType.get([1], ir.IntegerType.get_signless(16)), lanes.compare("uge", power, -100.0))
        scale = [value, power, lanes.constant(0.0), vector.extract(kept, [], [0]), current_rounding]
        return lanes.intrinsic("llvm.x86.avx512.mask.scalef.ps.512", lanes.f32, scale)
    bounded = lanes.max(-126.0, power)
    shifted = lanes.add(bounded, _MAGIC)
    value = lanes.polynomial(lanes.sub(bounded, lanes.sub(shifted, _MAGIC)), _EXP2_AROUND_0)
    return lanes.from_bits(lanes.add_int(lanes.bits(value), lanes.shift_left(lanes.bits(shifted), 23)))
