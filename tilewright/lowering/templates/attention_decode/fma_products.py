"""Products by multiply-adds: lanes along the head dimension, four keys by some rows in registers, added up so that lanes become keys."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention_decode.cache import Cache, KeyRange
from tilewright.lowering.templates.attention_decode.head_layout import HeadLayout
from tilewright.lowering.templates.attention_decode.products import KeyProducts, Prefetch, fold
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.attention_decode import KEYS


@dataclass(frozen=True)
class FmaProducts(KeyProducts):
    """For all element types. `queries` are `[tile][layout]`; `partial` is scratch: `[block / KEYS][rows][lanes]`."""

    index: IndexMath
    lanes: Lanes
    layout: HeadLayout
    cache: Cache
    k: Flat
    tensor: Strided
    queries: Flat
    partial: Flat
    rows: int

    def begin(self) -> None:
        """Nothing is to be set up."""

    def end(self) -> None:
        """Nothing is to be given back."""

    def prepare(self) -> None:
        """Queries are multiplied as they are."""

    def compute(self, keys: KeyRange, first_row: Index, first_key: Index, count: Index, prefetch: Prefetch | None) -> None:
        """By four keys, added up to one vector of four keys' partial sums for each row."""
        index, layout = self.index, self.layout

        def tile(offset: ir.Value, _: list[ir.Value]) -> None:
            starts = self.cache.offsets(self.tensor, keys, self.cache.find(keys, index.add(first_key, offset), KEYS))
            if prefetch is not None:
                prefetch(offset)
            sums: list[list[ir.Value | None]] = [[None] * KEYS for _ in range(self.rows)]
            at: Index = index.mul(first_row, layout.row)
            for part in layout.parts:
                loaded = [layout.load(self.k, start, part) for start in starts]
                for number in range(len(loaded[0])):
                    for row in range(self.rows):
                        query = self.queries.load_vector(index.add(at, row * layout.row), layout.lanes)
                        for key in range(KEYS):
                            held, value = sums[row][key], loaded[key][number]
                            sums[row][key] = self.lanes.mul(value, query) if held is None else self.lanes.fma(value, query, held)
                    at = index.add(at, layout.lanes)
            to = index.mul(index.div(offset, KEYS), self.rows * layout.lanes)
            for row in range(self.rows):
                partial = fold([value for value in sums[row] if value is not None])
                self.partial.store_vector(partial, index.add(to, row * layout.lanes))

        for_loop(index, 0, count, KEYS, tile)

    def load(self, first_row: Index, offset: Index) -> list[ir.Value]:
        index, width = self.index, self.layout.lanes
        tiles = [index.mul(index.add(index.div(offset, KEYS), i), self.rows * width) for i in range(width // KEYS)]
        return [fold([self.partial.load_vector(index.add(at, row * width), width) for at in tiles], KEYS) for row in range(self.rows)]
