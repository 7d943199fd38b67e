"""Products by multiply-adds of f32: elements of K and V are broadcast, vectors hold queries."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.head_rows import HeadRows
from tilewright.lowering.templates.attention.products.base import FinishScores, KeyBlock, Products
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.instructions.multiply_add import OuterProduct
from tilewright.lowering.templates.memory import Flat


class FmaProducts(Products):
    """`schedule.rows` keys, or dimensions of values, are held as accumulators at a time. Probabilities replace the scores.

    K and V are read in place where the rows of a head follow each other, else from copies which the tiles of a head share.
    """

    def __init__(self, context: KernelContext, query_scale: float, scores: Flat, sums: Flat, instruction: OuterProduct) -> None:
        super().__init__(context, query_scale, scores, sums)
        problem = context.problem
        self.instruction = instruction
        self.queries = context.region(problem.head_size * context.rows.tile)
        self.keys = HeadRows(context, problem.k, problem.head_size)
        self.values = HeadRows(context, problem.v, problem.value_size)

    def begin_head(self, place: TilePlace) -> None:
        self.keys.copy(place)
        self.values.copy(place)

    def begin_tile(self, place: TilePlace) -> None:
        problem = self.context.problem
        self.context.rows.pack_queries(self.context.inputs[problem.q.buffer], self.queries, place, self.query_scale)

    def compute_scores(self, block: KeyBlock, best: list[ir.Value], finish: FinishScores) -> list[ir.Value]:
        index, step = self.context.index, self.context.schedule.rows
        base = self.keys.start(block.place)
        whole = index.mul(index.div(block.count, step), step)
        last = index.sub(index.add(block.first, block.count), 1)

        def scores(offset: Index, held: list[ir.Value], clamp: bool) -> list[ir.Value]:
            # Keys past the last one repeat it: its score is stored more than once and read once.
            numbers: list[Index] = [index.add(index.add(block.first, offset), i) for i in range(step)]
            if clamp:
                numbers = [index.min(number, last) for number in numbers]
            starts = [index.add(base, index.mul(number, self.keys.size)) for number in numbers]
            zeros = [self.instruction.zero()] * (step * self.context.vectors)
            tile, held = finish(self._multiply(self.keys, starts, 1, self.queries, self.keys.size, zeros), numbers, held)
            self._store(self.scores, offset, tile)
            return held

        best = for_loop(index, 0, whole, step, lambda offset, held: scores(offset, held, False), best)
        ragged = index.compare("lt", whole, block.count)
        return if_else(ragged, lambda: scores(whole, best, True), lambda: best, [v.type for v in best])

    def store_probabilities(self, row: Index, values: Sequence[Sequence[ir.Value]]) -> None:
        self._store(self.scores, row, [value for parts in values for value in parts])

    def add_values(self, block: KeyBlock) -> None:
        context, values, step = self.context, self.values, self.context.schedule.rows
        index = context.index
        base = index.add(values.start(block.place), index.mul(block.first, values.size))

        def rows_of_sums(first: Index, height: int) -> None:
            places = [context.at(index.add(first, i), part) for i in range(height) for part in range(context.vectors)]
            held = [self.sums.load_vector(at, context.rows.lanes) for at in places]
            starts = [index.add(index.add(base, first), i) for i in range(height)]
            self._store(self.sums, first, self._multiply(values, starts, values.size, self.scores, block.count, held))

        whole = values.size // step * step
        if whole:
            for_loop(index, 0, whole, step, lambda first, _: rows_of_sums(first, step))
        if whole != values.size:
            rows_of_sums(whole, values.size - whole)

    def _multiply(
        self, left: HeadRows, starts: Sequence[Index], stride: int, right: Flat, depth: Index, initial: Sequence[ir.Value]
    ) -> list[ir.Value]:
        """`initial[i][part] + sum over k < depth of left[starts[i] + k * stride] * right[k][part]`, in registers."""
        context, index, vectors = self.context, self.context.index, self.context.vectors

        def step(k: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            vectors_of_row = [right.load_vector(context.at(k, part), context.rows.lanes) for part in range(vectors)]
            column = index.mul(k, stride)
            updated: list[ir.Value] = []
            for i, start in enumerate(starts):
                element = self.instruction.broadcast(left.flat.load(index.add(start, column)))
                for part in range(vectors):
                    updated.append(self.instruction.accumulate(element, vectors_of_row[part], held[i * vectors + part]))
            return updated

        return for_loop(index, 0, depth, 1, step, list(initial))

    def _store(self, target: Flat, first: Index, tile: Sequence[ir.Value]) -> None:
        """Store `tile[row][vector]` as rows of `[..][tile]` from `first`."""
        for i, value in enumerate(tile):
            row, part = divmod(i, self.context.vectors)
            target.store_vector(value, self.context.at(self.context.index.add(first, row), part))
