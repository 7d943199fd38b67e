"""Products by dot products of pairs of bf16 (`vdpbf16ps`): pairs of K or V are broadcast, vectors hold pairs of queries or probabilities.

K is read in place where the rows of a head follow each other and pairs do not straddle them, V is packed once per head to
`[pairs of keys][Dv]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir, vector
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.products.base import FinishScores, KeyBlock, Products, UnchangedScores
from tilewright.lowering.templates.attention.products.pair_operands import (
    GROUP,
    LANES,
    KeyRows,
    QueryPairs,
    ValueRows,
    hide_rows,
    key_groups,
    up_to,
)
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.instructions.dot_product import DotProduct
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.views import times


class PairProducts(Products):
    """`schedule.rows` keys, or dimensions of values, are held as accumulators at a time. Probabilities, as pairs, replace the scores."""

    def __init__(self, context: KernelContext, query_scale: float, scores: Flat, sums: Flat, instruction: DotProduct) -> None:
        super().__init__(context, query_scale, scores, sums, padding=4, stored_together=2, keeps_pairs=True)
        self.instruction = instruction
        self.queries = QueryPairs(context)
        self.keys = KeyRows(context, multiple=2)
        self.rows = ValueRows(context)
        self.width = up_to(context.problem.value_size, LANES)
        pairs: Dim = times(key_groups(context.problem.keys), GROUP // 2)
        self.values = context.region(times(pairs, self.width), "i32")

    @property
    def remaining_scale(self) -> float:
        return self.query_scale

    def begin_head(self, place: TilePlace) -> None:
        index, size = self.context.index, self.context.problem.value_size
        self.keys.begin_head(place)

        def pack(first: Index, words: Callable[[Index, Index, bool], list[ir.Value]]) -> None:
            to = index.mul(index.div(first, 2), self.width)

            def block(column: Index, ragged: bool) -> None:
                for pair, values in enumerate(words(first, column, ragged)):
                    self.values.store_vector(values, index.add(to, index.add(column, pair * self.width)))

            whole = size // LANES * LANES
            if whole:
                for_loop(index, 0, whole, LANES, lambda column, _: block(column, False))
            if whole != size:
                block(whole, True)

        self.rows.each_group(place, pack)

    def begin_tile(self, place: TilePlace) -> None:
        self.queries.pack(place)

    def compute_scores(self, block: KeyBlock, best: list[ir.Value], finish: FinishScores, unchanged: UnchangedScores) -> list[ir.Value]:
        context, index, step = self.context, self.context.index, self.context.schedule.rows
        whole = index.mul(index.div(block.count, step), step)
        last = index.sub(index.add(block.first, block.count), 1)
        pairs = -(-context.problem.head_size // 2)

        def scores(offset: Index, held: list[ir.Value], clamp: bool) -> list[ir.Value]:
            # Keys past the last one repeat it: its score is stored more than once, and hidden there.
            numbers: list[Index] = [index.add(index.add(block.first, offset), i) for i in range(step)]
            if clamp:
                numbers = [index.min(number, last) for number in numbers]
            starts = [self.keys.start(block.place, number) for number in numbers]
            zeros = [self.instruction.zero()] * (step * context.vectors)

            def left(pair: ir.Value, row: int) -> ir.Value:
                return self.instruction.load_lhs(self.keys.flat, index.add(starts[row], index.mul(pair, 2)))

            tile, held = finish(self._multiply(left, step, self.queries.words, pairs, zeros), numbers, held)
            self._store(self.scores, offset, tile)
            return held

        best = for_loop(index, 0, whole, step, lambda offset, held: scores(offset, held, False), best)
        ragged = index.compare("lt", whole, block.count)
        best = if_else(ragged, lambda: scores(whole, best, True), lambda: best, [v.type for v in best])
        hide_rows(context, self.scores, block.count, index.round_up(block.count, self.padding))
        return best

    def store_probabilities(self, row: Index, values: Sequence[Sequence[ir.Value]], parts: range) -> None:
        (pairs,) = values
        for part, value in zip(parts, pairs, strict=True):
            self.scores.store_vector(self.context.lanes.from_bits(value), self.context.at(self.context.index.div(row, 2), part))

    def add_values(self, block: KeyBlock) -> None:
        context, index, step, size = self.context, self.context.index, self.context.schedule.rows, self.context.problem.value_size
        base = index.mul(index.div(block.first, 2), self.width)
        pairs = index.ceildiv(block.count, 2)

        def rows_of_sums(first: Index, height: int) -> None:
            places = [context.at(index.add(first, i), part) for i in range(height) for part in range(context.vectors)]
            held = [self.sums.load_vector(at, context.rows.lanes) for at in places]
            start = index.add(base, first)

            def left(pair: ir.Value, row: int) -> ir.Value:
                word = self.values.load(index.add(index.add(start, row), index.mul(pair, self.width)))
                return self._bf16(vector.broadcast(context.lanes.i32, word))

            self._store(self.sums, first, self._multiply(left, height, self.scores, pairs, held))

        whole = size // step * step
        if whole:
            for_loop(index, 0, whole, step, lambda first, _: rows_of_sums(first, step))
        if whole != size:
            rows_of_sums(whole, size - whole)

    def _multiply(
        self, left: Callable[[ir.Value, int], ir.Value], rows: int, right: Flat, pairs: Index, initial: Sequence[ir.Value]
    ) -> list[ir.Value]:
        """`initial[i][part] + sum over pairs of left(pair, i) . right[pair][part]`, in registers."""
        context, vectors = self.context, self.context.vectors

        def step(pair: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            of_pair = [self._bf16(right.load_vector(context.at(pair, part), LANES)) for part in range(vectors)]
            updated: list[ir.Value] = []
            for row in range(rows):
                repeated = left(pair, row)
                updated += [self.instruction.accumulate(repeated, of_pair[part], held[row * vectors + part]) for part in range(vectors)]
            return updated

        return for_loop(context.index, 0, pairs, 1, step, list(initial))

    def _bf16(self, words: ir.Value) -> ir.Value:
        return vector.bitcast(ir.VectorType.get([2 * LANES], ir.BF16Type.get()), words)

    def _store(self, target: Flat, first: Index, tile: Sequence[ir.Value]) -> None:
        """Store `tile[row][vector]` as rows of `[..][tile]` from `first`."""
        for i, value in enumerate(tile):
            row, part = divmod(i, self.context.vectors)
            target.store_vector(value, self.context.at(self.context.index.add(first, row), part))
