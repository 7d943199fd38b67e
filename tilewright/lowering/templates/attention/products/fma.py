"""Products by multiply-adds of f32: elements of K and V are broadcast, vectors hold queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.head_rows import HeadRows, ValuePanels
from tilewright.lowering.templates.attention.products.base import FinishScores, KeyBlock, Products, UnchangedScores
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.instructions.multiply_add import OuterProduct
from tilewright.lowering.templates.memory import Flat

Factors = Callable[[Index], list[ir.Value]]
"""The scalars of one step of a sum, one per row of accumulators."""

UNROLL = 4
"""Steps of the sum in one iteration. The branch at the end of a loop of few iterations is predicted."""


class FmaProducts(Products):
    """`schedule.rows` keys, or dimensions of values, are held as accumulators at a time. Probabilities replace the scores.

    K is read in place where the rows of a head follow each other, else from a copy, V from panels; the tiles of a head share both.
    Vectors of queries which do not see the last keys of a block take no part in their products.
    """

    def __init__(self, context: KernelContext, query_scale: float, scores: Flat, sums: Flat, instruction: OuterProduct) -> None:
        super().__init__(context, query_scale, scores, sums, skips_vectors=True)
        problem = context.problem
        self.instruction = instruction
        self.queries = context.region(problem.head_size * context.rows.tile)
        self.keys = HeadRows(context, problem.k, problem.head_size)
        self.values = ValuePanels(context, context.schedule.rows)

    def begin_head(self, place: TilePlace) -> None:
        self.keys.copy(place)
        self.values.copy(place)

    def begin_tile(self, place: TilePlace) -> None:
        problem = self.context.problem
        self.context.rows.pack_queries(self.context.inputs[problem.q.buffer], self.queries, place, self.query_scale)

    def compute_scores(self, block: KeyBlock, best: list[ir.Value], finish: FinishScores, unchanged: UnchangedScores) -> list[ir.Value]:
        index, step, vectors = self.context.index, self.context.schedule.rows, self.context.vectors
        base = self.keys.start(block.place)
        left_out = self.instruction.zero()

        def scores(offset: Index, height: int, parts: range, held: list[ir.Value]) -> list[ir.Value]:
            numbers = [index.add(index.add(block.first, offset), i) for i in range(height)]
            starts = [index.add(base, index.mul(number, self.keys.size)) for number in numbers]
            zeros = [self.instruction.zero()] * (height * len(parts))

            def factors(column: Index) -> list[ir.Value]:
                return [self.keys.flat.load(index.add(start, column)) for start in starts]

            computed = iter(self._sum_steps(factors, self.queries, parts, 0, self.keys.size, zeros))
            tile = [next(computed) if part in parts else left_out for _ in range(height) for part in range(vectors)]
            tile, largest = finish(tile, numbers, held)
            self._store(self.scores, offset, [tile[i] for i in range(len(tile)) if i % vectors in parts], parts)
            return [largest[part] if part in parts else held[part] for part in range(vectors)]

        whole = index.mul(index.div(block.count, step), step)
        for first, end, parts in block.ranges(index, whole):
            best = for_loop(index, first, end, step, lambda offset, held, parts=parts: scores(offset, step, parts, held), best)
        return for_loop(index, whole, block.count, 1, lambda offset, held: scores(offset, 1, range(vectors), held), best)

    def store_probabilities(self, row: Index, values: Sequence[Sequence[ir.Value]], parts: range) -> None:
        self._store(self.scores, row, [value for of_row in values for value in of_row], parts)

    def add_values(self, block: KeyBlock) -> None:
        context, index, step, size = self.context, self.context.index, self.context.schedule.rows, self.values.size
        everything = range(context.vectors)

        def rows_of_sums(first: Index, height: int) -> None:
            flat, start, stride = self.values.read(block.place, first, block.first, height)
            places = [context.at(index.add(first, i), part) for i in range(height) for part in everything]
            held = [self.sums.load_vector(at, context.rows.lanes) for at in places]

            def factors(key: Index) -> list[ir.Value]:
                at = index.add(start, index.mul(key, stride))
                return [flat.load(index.add(at, i)) for i in range(height)]

            for begin, end, parts in block.ranges(index, block.count):
                kept = [i for i in range(len(held)) if i % context.vectors in parts]
                for i, value in zip(kept, self._sum_steps(factors, self.scores, parts, begin, end, [held[i] for i in kept])):
                    held[i] = value
            self._store(self.sums, first, held, everything)

        whole = size // step * step
        if whole:
            for_loop(index, 0, whole, step, lambda first, _: rows_of_sums(first, step))
        if whole != size:
            rows_of_sums(whole, size - whole)

    def _sum_steps(
        self, factors: Factors, right: Flat, parts: range, begin: Index, end: Index, initial: Sequence[ir.Value]
    ) -> list[ir.Value]:
        """`initial[i][part] + sum over begin <= k < end of factors(k)[i] * right[k][part]`, in registers."""
        context, index = self.context, self.context.index

        def step(k: Index, held: list[ir.Value]) -> list[ir.Value]:
            vectors = [right.load_vector(context.at(k, part), context.rows.lanes) for part in parts]
            updated: list[ir.Value] = []
            for factor in factors(k):
                element = self.instruction.broadcast(factor)
                updated.extend(
                    self.instruction.accumulate(element, value, acc) for value, acc in zip(vectors, held[len(updated) :], strict=False)
                )
            return updated

        def steps(k: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            for i in range(UNROLL):
                held = step(index.add(k, i), held)
            return held

        whole = index.add(begin, index.mul(index.div(index.sub(end, begin), UNROLL), UNROLL))
        held = for_loop(index, begin, whole, UNROLL, steps, initial)
        return held if isinstance(end, int) and whole == end else for_loop(index, whole, end, 1, step, held)

    def _store(self, target: Flat, first: Index, tile: Sequence[ir.Value], parts: range) -> None:
        """Store `tile[row][part]` as rows of `[..][tile]` from `first`."""
        for i, value in enumerate(tile):
            row, place = divmod(i, len(parts))
            target.store_vector(value, self.context.at(self.context.index.add(first, row), parts[place]))
