"""Sums of values weighted by probabilities, with lanes along the head dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention_decode.cache import Cache, KeyRange
from tilewright.lowering.templates.attention_decode.head_layout import HeadLayout, Part
from tilewright.lowering.templates.attention_decode.problem import DecodeProblem
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class Values:
    """Emits the product with the values for `rows` rows at a time, `accumulators` registers hold sums.

    Head dimensions are taken in passes over the keys of the block, so that the sums of a pass stay in registers.
    """

    problem: DecodeProblem
    index: IndexMath
    lanes: Lanes
    layout: HeadLayout
    cache: Cache
    v: Flat
    scores: Flat
    sums: Flat
    rows: int
    block: int
    accumulators: int

    def passes(self) -> list[list[Part]]:
        """The parts of a row, by pass."""
        most = max(2 if any(part.paired for part in self.layout.parts) else 1, self.accumulators // self.rows)
        passes: list[list[Part]] = [[]]
        for part in self.layout.parts:
            if _vectors([*passes[-1], part]) > most and passes[-1]:
                passes.append([])
            passes[-1].append(part)
        return passes

    def step(self) -> int:
        """Keys of one iteration: as many as let a row of K and of V be prefetched in each, half a block in all passes together."""
        return {1: 2, 2: 4, 3: 4}.get(len(self.passes()), 8)

    def add(self, keys: KeyRange, first_row: Index, first_key: Index, count: Index, prefetch: Callable[[Index], None] | None) -> None:
        """Add the values of `count` keys to the sums. Keys past the end have the probability 0, and repeat the last.

        `prefetch` is called with a number that counts the rows to fetch, up to half of the block.
        """
        for number, parts in enumerate(self.passes()):
            fetched = number * (self.block // self.step())
            fetches = prefetch if fetched < self.block // 2 else None
            self._pass(number, parts, keys, first_row, first_key, count, fetches)

    def _pass(
        self,
        number: int,
        parts: Sequence[Part],
        keys: KeyRange,
        first_row: Index,
        first_key: Index,
        count: Index,
        prefetch: Callable[[Index], None] | None,
    ) -> None:
        """One pass over the keys."""
        index, layout, step = self.index, self.layout, self.step()
        together = step if self.cache.together(step) else 1
        done = sum(_vectors(before) for before in self.passes()[:number])
        rows = [index.mul(index.add(first_row, row), layout.row) for row in range(self.rows)]
        at = [index.add(row, (done + i) * layout.lanes) for row in rows for i in range(_vectors(parts))]

        def some_keys(offset: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            if prefetch is not None:
                prefetch(index.add(index.div(offset, step), number * (self.block // step)))
            for first in range(0, step, together):
                found = self.cache.find(keys, index.add(index.add(first_key, offset), first), together)
                for key, start in enumerate(self.cache.offsets(self.problem.v, keys, found)):
                    sums = self._one_key(sums, parts, start, first_row, index.add(offset, first + key))
            return sums

        held = [self.sums.load_vector(place, layout.lanes) for place in at]
        for value, place in zip(for_loop(index, 0, count, step, some_keys, held), at, strict=True):
            self.sums.store_vector(value, place)

    def _one_key(self, sums: list[ir.Value], parts: Sequence[Part], start: Index, first_row: Index, offset: Index) -> list[ir.Value]:
        index, lanes = self.index, self.lanes
        weights = [
            vector.broadcast(lanes.f32, self.scores.load(index.add(index.mul(index.add(first_row, row), self.block), offset)))
            for row in range(self.rows)
        ]
        values = [value for part in parts for value in self.layout.load(self.v, start, part)]
        pairs = [(row, i) for row in range(self.rows) for i in range(len(values))]
        return [lanes.fma(values[i], weights[row], held) for (row, i), held in zip(pairs, sums, strict=True)]


def _vectors(parts: Sequence[Part]) -> int:
    return sum(2 if part.paired else 1 for part in parts)
