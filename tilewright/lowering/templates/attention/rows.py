"""Query rows of a tile: which query each lane holds, the transposed copy of the queries, and the transposed store of the results.

The queries of all heads that share a key and value head are one list of `queries * group` rows, `row = query * group + head in the group`,
so that few queries still fill the lanes. The first tile begins in front of the first row where rows are not a multiple of a tile: vectors
without rows are left out, and lanes in front of the first row repeat it; they store its values again.
"""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.element_types import rounded, rounded_pairs, widened
from tilewright.lowering.templates.attention.problem import AttentionProblem, Strided
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.transpose import transpose_block


@dataclass(frozen=True)
class TilePlace:
    """Where a tile is: batch element, key and value head, first row (which may be negative)."""

    batch: Index
    kv_head: Index
    first_row: Index


@dataclass(frozen=True)
class QueryRows:
    """Emits everything that depends on the query that a lane holds. A tile has `vectors` vectors of `lanes` rows."""

    problem: AttentionProblem
    index: IndexMath
    lanes: int
    vectors: int

    @property
    def tile(self) -> int:
        """Rows of a tile."""
        return self.lanes * self.vectors

    def count(self) -> Index:
        """Rows of one key and value head."""
        return self.index.mul(self.index.dim(self.problem.queries), self.problem.group)

    def offset(self, tensor: Strided, place: TilePlace, lane: Index) -> Index:
        """The offset of the row that `lane` of the tile holds in a tensor over query heads and queries."""
        index, group = self.index, self.problem.group
        row = index.max(index.add(place.first_row, lane), 0)
        head = index.add(index.mul(place.kv_head, group), index.rem(row, group))
        at = index.mul(place.batch, index.dim(tensor.batch))
        at = index.add(at, index.mul(head, index.dim(tensor.head)))
        return index.add(at, index.mul(index.div(row, group), index.dim(tensor.row)))

    def first_vector(self, place: TilePlace) -> Index:
        """The first vector of a tile that holds a row."""
        return self.index.div(self.index.max(self.index.sub(0, place.first_row), 0), self.lanes)

    def positions(self, place: TilePlace, part: int) -> ir.Value:
        """The query of each lane of vector `part`, as i32."""
        rows = self._numbers(place, part)
        return rows if self.problem.group == 1 else arith.divui(rows, self._spread(self.problem.group))

    def heads(self, place: TilePlace, part: int) -> ir.Value:
        """The query head of each lane of vector `part`, as i32."""
        group = self.problem.group
        first = self._spread(self.index.mul(place.kv_head, group))
        return first if group == 1 else arith.addi(first, arith.remui(self._numbers(place, part), self._spread(group)))

    def _numbers(self, place: TilePlace, part: int) -> ir.Value:
        """The row of each lane of vector `part`, as i32."""
        i32 = ir.IntegerType.get_signless(32)
        kind = ir.VectorType.get([self.lanes], i32)
        numbers = ir.DenseElementsAttr.get([ir.IntegerAttr.get(i32, part * self.lanes + lane) for lane in range(self.lanes)], kind)
        rows = arith.addi(self._spread(place.first_row), arith.constant(kind, numbers))
        return arith.minsi(rows, self._spread(self.index.sub(self.count(), 1)))

    def _spread(self, value: Index) -> ir.Value:
        i32 = ir.IntegerType.get_signless(32)
        return vector.broadcast(ir.VectorType.get([self.lanes], i32), arith.index_cast(i32, self.index.value(value)))

    def gather(self, source: Flat, tensor: Strided, place: TilePlace, part: int) -> ir.Value:
        """The element for each lane of vector `part`, of a tensor over query heads and queries."""
        kind = ir.VectorType.get([self.lanes], source.logical)
        if not self.problem.varies_by_lane(tensor):
            return vector.broadcast(kind, source.load(self.offset(tensor, place, 0)))
        lanes = range(part * self.lanes, (part + 1) * self.lanes)
        return vector.from_elements(kind, [source.load(self.offset(tensor, place, lane)) for lane in lanes])

    def scatter(self, values: ir.Value, target: Flat, tensor: Strided, place: TilePlace, part: int) -> None:
        """Store the lanes of vector `part` in a tensor over query heads and queries."""
        for lane in range(self.lanes):
            target.store(vector.extract(values, [], [lane]), self.offset(tensor, place, part * self.lanes + lane))

    def pack_queries(self, source: Flat, target: Flat, place: TilePlace, scale: float) -> None:
        """Copy the tile's queries, times `scale`, to `[head_size][tile]` in f32."""
        index, lanes, size, q = self.index, self.lanes, self.problem.head_size, self.problem.q
        whole = size // lanes * lanes if q.column == 1 else 0
        math = Lanes(ir.VectorType.get([lanes], ir.F32Type.get()))

        def pack(part: ir.Value, _: list[ir.Value]) -> None:
            first = index.mul(part, lanes)
            rows = [self.offset(q, place, index.add(first, lane)) for lane in range(lanes)]

            def block(column: ir.Value, _: list[ir.Value]) -> None:
                loaded = [math.mul(widened(source.load_vector(index.add(row, column), lanes)), scale) for row in rows]
                for step, values in enumerate(transpose_block(loaded)):
                    target.store_vector(values, index.add(index.mul(index.add(column, step), self.tile), first))

            def element(column: ir.Value, _: list[ir.Value]) -> None:
                scalars = [widened(source.load(index.add(row, index.mul(column, index.dim(q.column))))) for row in rows]
                values = math.mul(vector.from_elements(ir.VectorType.get([lanes], ir.F32Type.get()), scalars), scale)
                target.store_vector(values, index.add(index.mul(column, self.tile), first))

            if whole:
                for_loop(index, 0, whole, lanes, block)
            if whole != size:
                for_loop(index, whole, size, 1, element)

        for_loop(index, 0, self.vectors, 1, pack)

    def store_results(self, source: Flat, factors: Flat, out: Flat, place: TilePlace, *, in_pairs: bool = False) -> None:
        """Store `[value_size][tile]` times a factor per lane (`[tile]`) as rows of the result.

        `in_pairs`: pairs of bf16 are transposed, which halves the work; needs AVX512_BF16.
        """
        index, lanes, size, result = self.index, self.lanes, self.problem.value_size, self.problem.out
        whole = size // lanes * lanes if result.column == 1 else 0
        paired = size // (2 * lanes) * (2 * lanes) if in_pairs and result.column == 1 else 0

        def store(part: ir.Value, _: list[ir.Value]) -> None:
            first = index.mul(part, lanes)
            rows = [self.offset(result, place, index.add(first, lane)) for lane in range(lanes)]
            factor = factors.load_vector(first, lanes)

            def scaled(column: Index) -> ir.Value:
                return arith.mulf(source.load_vector(index.add(index.mul(column, self.tile), first), lanes), factor)

            def block(column: ir.Value, _: list[ir.Value]) -> None:
                for row, values in zip(rows, transpose_block([scaled(index.add(column, step)) for step in range(lanes)])):
                    out.store_vector(rounded(values, out.dtype), index.add(row, column))

            def block_of_pairs(column: ir.Value, _: list[ir.Value]) -> None:
                columns = [index.add(column, 2 * step) for step in range(lanes)]
                words = [rounded_pairs(scaled(c), scaled(index.add(c, 1))) for c in columns]
                for row, values in zip(rows, transpose_block(words)):
                    out.store_vector(vector.bitcast(ir.VectorType.get([2 * lanes], out.storage), values), index.add(row, column))

            def element(column: ir.Value, _: list[ir.Value]) -> None:
                values = rounded(scaled(column), out.dtype)
                for lane, row in enumerate(rows):
                    out.store(vector.extract(values, [], [lane]), index.add(row, index.mul(column, index.dim(result.column))))

            if paired:
                for_loop(index, 0, paired, 2 * lanes, block_of_pairs)
            if whole > paired:
                for_loop(index, paired, whole, lanes, block)
            if whole != size:
                for_loop(index, whole, size, 1, element)

        for_loop(index, self.first_vector(place), self.vectors, 1, store)
