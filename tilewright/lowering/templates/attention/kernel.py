"""The loops of an attention kernel for a CPU: FlashAttention with transposed scores.

A unit of work is one tile of query rows of one key and value head. Lanes are queries; rows are keys while scores are computed
(`S^T = K Q^T`) and head dimensions while values are summed (`O^T = V^T P^T`). Both products broadcast elements of K or V, which are read in
place when their rows are contiguous, and only the queries and the result are transposed. The softmax is vertical: no operation
crosses lanes. After Dao et al., "FlashAttention", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.masks import MaskTiles, hide_later_keys
from tilewright.lowering.templates.attention.problem import AttentionProblem, Strided
from tilewright.lowering.templates.attention.rows import QueryRows, TilePlace
from tilewright.lowering.templates.attention.softmax import INVISIBLE, NOTHING_SEEN, exp_of_difference
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.instructions.multiply_add import OuterProduct
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.attention import AttentionSchedule


@dataclass(frozen=True)
class AttentionBuffers:
    """Inputs, the result, and scratch: `queries [D][tile]`, `scores [block][tile]`, `sums [Dv][tile]`, `factors [tile]`.

    `k` and `v` are `[keys][D]` and `[keys][Dv]` per head in scratch where `copies_*` says so, else the inputs themselves.
    """

    q: Flat
    k: Flat
    v: Flat
    out: Flat
    queries: Flat
    scores: Flat
    sums: Flat
    factors: Flat
    mask: Flat | None = None
    addends: Flat | None = None
    kv_len: Flat | None = None
    q_offset: Flat | None = None
    copied_k: Flat | None = None
    copied_v: Flat | None = None


@dataclass
class AttentionLoops:
    """Emits the code of one kernel."""

    problem: AttentionProblem
    schedule: AttentionSchedule
    index: IndexMath
    instruction: OuterProduct
    rows: QueryRows
    buffers: AttentionBuffers
    lanes: Lanes

    def emit(self, lo: ir.Value, hi: ir.Value) -> None:
        """The units `lo <= unit < hi`."""
        index, problem = self.index, self.problem
        tiles = index.max(index.ceildiv(self.rows.count(), self.rows.tile), 1)
        heads = index.dim(problem.kv_heads)
        self.all_keys = index.dim(problem.keys)

        def unit(number: ir.Value, previous: list[ir.Value]) -> Sequence[ir.Value]:
            head = index.div(number, tiles)
            batch, kv_head = index.delinearize(head, [0, heads])
            tile = index.rem(number, tiles)
            if problem.causal:
                # Later tiles see more keys: they go first, so that the last units of a thread are short.
                tile = index.sub(index.sub(tiles, 1), tile)
            place = TilePlace(batch, kv_head, index.mul(tile, self.rows.tile))
            if_else(index.compare("ne", head, previous[0]), lambda: self._begin_head(place))
            self._tile(place)
            return [index.value(head)]

        for_loop(index, lo, hi, 1, unit, [arith.constant(index.type, -1)])

    def _begin_head(self, place: TilePlace) -> None:
        """Copy what the tiles of one head share."""
        index, problem, buffers = self.index, self.problem, self.buffers
        for tensor, size, source, target in (
            (problem.k, problem.head_size, buffers.k, buffers.copied_k),
            (problem.v, problem.value_size, buffers.v, buffers.copied_v),
        ):
            if target is not None:
                base = self._head_start(place, tensor, None)
                self._copy_rows(source, target, base, index.dim(tensor.row), index.dim(tensor.column), size)
        if buffers.mask is not None and buffers.addends is not None and not problem.mask_varies_by_lane:
            self._masks(buffers.mask).prepare_shared(buffers.addends, place)

    def _copy_rows(self, source: Flat, target: Flat, base: Index, row_stride: Index, column_stride: Index, size: int) -> None:
        index, lanes = self.index, self.instruction.lanes
        whole = size // lanes * lanes if column_stride == 1 else 0

        def row(number: ir.Value, _: list[ir.Value]) -> None:
            start, to = index.add(base, index.mul(number, row_stride)), index.mul(number, size)
            for column in range(0, whole, lanes):
                target.store_vector(source.load_vector(index.add(start, column), lanes), index.add(to, column))
            if whole != size:

                def element(column: ir.Value, _: list[ir.Value]) -> None:
                    target.store(source.load(index.add(start, index.mul(column, column_stride))), index.add(to, column))

                for_loop(index, whole, size, 1, element)

        for_loop(index, 0, self.all_keys, 1, row)

    def _masks(self, source: Flat) -> MaskTiles:
        assert self.problem.mask is not None
        return MaskTiles(self.problem.mask, source, self.rows, self.all_keys)

    def _tile(self, place: TilePlace) -> None:
        index, problem, buffers, vectors = self.index, self.problem, self.buffers, self.schedule.vectors
        self.rows.pack_queries(buffers.q, buffers.queries, place)
        zero = self.instruction.zero()

        def clear(row: ir.Value, _: list[ir.Value]) -> None:
            for part in range(vectors):
                buffers.sums.store_vector(zero, self._at(row, part))

        for_loop(index, 0, problem.value_size, 1, clear)
        end = self._visible_end(place)
        last_visible = self._last_visible(place) if problem.causal else []

        def block(first_key: ir.Value, state: list[ir.Value]) -> list[ir.Value]:
            return self._block(place, first_key, index.min(index.sub(end, first_key), self.schedule.block), state, last_visible)

        start = [self.lanes.constant(INVISIBLE)] * vectors + [zero] * vectors
        state = for_loop(index, 0, end, self.schedule.block, block, start)
        for part in range(vectors):
            maximum, total = state[part], state[vectors + part]
            seen = self.lanes.compare("ogt", maximum, NOTHING_SEEN)
            # A NaN maximum is a row of NaN, not a row that sees nothing.
            seen = arith.ori(seen, self.lanes.compare("uno", maximum, maximum))
            factor = self.lanes.select(seen, self.lanes.div(1.0, total), self.lanes.constant(0.0))
            buffers.factors.store_vector(factor, part * self.instruction.lanes)
        self.rows.store_results(buffers.sums, buffers.factors, buffers.out, place)

    def _offset_of_queries(self, place: TilePlace) -> Index:
        """Position of query 0 among the keys; may be negative."""
        index, given = self.index, self.buffers.q_offset
        if given is None:
            return index.sub(self.all_keys, index.dim(self.problem.queries))
        return arith.index_cast(index.type, given.load(place.batch))

    def _visible_end(self, place: TilePlace) -> Index:
        """The end of the keys that some row of the tile may see."""
        index = self.index
        end: Index = self.all_keys
        if self.buffers.kv_len is not None:
            end = index.min(end, arith.index_cast(index.type, self.buffers.kv_len.load(place.batch)))
        if self.problem.causal:
            last_row = index.min(index.add(place.first_row, self.rows.tile - 1), index.sub(self.rows.count(), 1))
            last = index.div(last_row, self.problem.group)
            end = index.min(end, index.add(index.add(last, self._offset_of_queries(place)), 1))
        return index.max(end, 0)

    def _last_visible(self, place: TilePlace) -> list[ir.Value]:
        """The last key that each lane may see, as i32, by vector."""
        i32 = ir.IntegerType.get_signless(32)
        offset = arith.index_cast(i32, self.index.value(self._offset_of_queries(place)))
        kind = ir.VectorType.get([self.instruction.lanes], i32)
        spread = vector.broadcast(kind, offset)
        return [arith.addi(self.rows.positions(place, part), spread) for part in range(self.schedule.vectors)]

    def _block(
        self, place: TilePlace, first_key: Index, count: Index, state: list[ir.Value], last_visible: Sequence[ir.Value]
    ) -> list[ir.Value]:
        """One block of keys: scores, the running maximum, probabilities, sums."""
        index, vectors, step = self.index, self.schedule.vectors, self.schedule.rows
        if self.problem.mask_varies_by_lane:
            assert self.buffers.mask is not None and self.buffers.addends is not None
            self._masks(self.buffers.mask).prepare_lanes(self.buffers.addends, place, first_key, count)
        keys = self._head_start(place, self.problem.k, self.buffers.copied_k)
        whole = index.mul(index.div(count, step), step)
        lowest = [self.lanes.constant(INVISIBLE)] * vectors

        def scores(offset: Index, held: list[ir.Value], last: Index | None) -> list[ir.Value]:
            return self._scores(keys, first_key, offset, held, last, last_visible)

        best = for_loop(index, 0, whole, step, lambda offset, held: scores(offset, held, None), lowest)
        ragged = index.compare("lt", whole, count)
        last_key = index.sub(index.add(first_key, count), 1)
        best = if_else(ragged, lambda: scores(whole, best, last_key), lambda: best, [v.type for v in best])
        maxima, totals = state[:vectors], state[vectors:]
        rises = arith.constant(ir.IntegerType.get_signless(1), 0)
        for part in range(vectors):
            rises = arith.ori(rises, self.lanes.any_lane(self.lanes.compare("ogt", best[part], maxima[part])))
        state = if_else(rises, lambda: self._rescale(maxima, totals, best), lambda: state, [v.type for v in state])
        maxima = state[:vectors]

        def probabilities(row: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
            updated: list[ir.Value] = []
            for part in range(vectors):
                at = self._at(row, part)
                value = exp_of_difference(self.lanes, self.buffers.scores.load_vector(at, self.instruction.lanes), maxima[part])
                self.buffers.scores.store_vector(value, at)
                updated.append(arith.addf(sums[part], value))
            return updated

        totals = for_loop(index, 0, count, 1, probabilities, state[vectors:])
        self._sum_values(place, first_key, count)
        return [*maxima, *totals]

    def _head_start(self, place: TilePlace, tensor: Strided, copied: Flat | None) -> Index:
        """The offset of a head's first row."""
        index = self.index
        if copied is not None:
            return 0
        return index.add(index.mul(place.batch, index.dim(tensor.batch)), index.mul(place.kv_head, index.dim(tensor.head)))

    def _scores(
        self, keys: Index, first_key: Index, offset: Index, best: list[ir.Value], last: Index | None, last_visible: Sequence[ir.Value]
    ) -> list[ir.Value]:
        """Store the scores of `rows` keys from `first_key + offset`; return the larger of `best` and theirs.

        With `last`, keys past it repeat it: its score is stored more than once and read once.
        """
        index, problem, vectors = self.index, self.problem, self.schedule.vectors
        flat = self.buffers.copied_k or self.buffers.k
        first = index.add(first_key, offset)
        numbers: list[Index] = [index.add(first, i) for i in range(self.schedule.rows)]
        if last is not None:
            numbers = [index.min(number, last) for number in numbers]
        starts = [index.add(keys, index.mul(number, problem.head_size)) for number in numbers]
        tile = self._products(flat, starts, 1, self.buffers.queries, problem.head_size, [self.instruction.zero()] * (len(starts) * vectors))
        if self.buffers.addends is not None:
            tile = self._add_masks(tile, numbers, first_key)
        if problem.causal:
            kinds = [v.type for v in tile]

            def hide() -> list[ir.Value]:
                return [hide_later_keys(value, numbers[i // vectors], last_visible[i % vectors], self.rows) for i, value in enumerate(tile)]

            smallest = vector.reduction(ir.IntegerType.get_signless(32), ir.Attribute.parse("#vector.kind<minsi>"), last_visible[0])
            all_see = index.compare("le", numbers[-1], arith.index_cast(index.type, smallest))
            tile = if_else(all_see, lambda: tile, hide, kinds)
        for i, value in enumerate(tile):
            row, part = divmod(i, vectors)
            self.buffers.scores.store_vector(value, self._at(index.add(offset, row), part))
            best = [self.lanes.max(old, value) if p == part else old for p, old in enumerate(best)]
        return best

    def _add_masks(self, tile: list[ir.Value], numbers: Sequence[Index], first_key: Index) -> list[ir.Value]:
        addends, vectors, index = self.buffers.addends, self.schedule.vectors, self.index
        assert addends is not None
        masked: list[ir.Value] = []
        for i, value in enumerate(tile):
            number = numbers[i // vectors]
            if self.problem.mask_varies_by_lane:
                at = self._at(index.sub(number, first_key), i % vectors)
                masked.append(arith.addf(value, addends.load_vector(at, self.instruction.lanes)))
            else:
                masked.append(arith.addf(value, self.instruction.broadcast(addends.load(number))))
        return masked

    def _rescale(self, maxima: Sequence[ir.Value], totals: Sequence[ir.Value], best: Sequence[ir.Value]) -> list[ir.Value]:
        """Take `best` into the running maxima and scale what was summed under the old ones."""
        raised = [self.lanes.max(new, old) for new, old in zip(best, maxima)]
        factors = [exp_of_difference(self.lanes, old, new) for old, new in zip(maxima, raised)]

        def scale(row: ir.Value, _: list[ir.Value]) -> None:
            for part, factor in enumerate(factors):
                at = self._at(row, part)
                held = self.buffers.sums.load_vector(at, self.instruction.lanes)
                self.buffers.sums.store_vector(arith.mulf(held, factor), at)

        for_loop(self.index, 0, self.problem.value_size, 1, scale)
        return [*raised, *(arith.mulf(total, factor) for total, factor in zip(totals, factors))]

    def _sum_values(self, place: TilePlace, first_key: Index, count: Index) -> None:
        """Add the block's values, weighted by its probabilities, to the sums."""
        index, size, step, vectors = self.index, self.problem.value_size, self.schedule.rows, self.schedule.vectors
        flat = self.buffers.copied_v or self.buffers.v
        base = self._head_start(place, self.problem.v, self.buffers.copied_v)
        base = index.add(base, index.mul(first_key, size))

        def rows_of_sums(first: Index, height: int) -> None:
            places = [self._at(index.add(first, i), part) for i in range(height) for part in range(vectors)]
            held = [self.buffers.sums.load_vector(at, self.instruction.lanes) for at in places]
            starts = [index.add(index.add(base, first), i) for i in range(height)]
            for value, at in zip(self._products(flat, starts, size, self.buffers.scores, count, held), places):
                self.buffers.sums.store_vector(value, at)

        whole = size // step * step
        if whole:
            for_loop(index, 0, whole, step, lambda first, _: rows_of_sums(first, step))
        if whole != size:
            rows_of_sums(whole, size - whole)

    def _products(
        self, flat: Flat, starts: Sequence[Index], stride: int, right: Flat, depth: Index, initial: Sequence[ir.Value]
    ) -> list[ir.Value]:
        """`initial[i][part] + sum over k < depth of flat[starts[i] + k * stride] * right[k][part]`, in registers."""
        index, vectors = self.index, self.schedule.vectors

        def step(k: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            vectors_of_row = [right.load_vector(self._at(k, part), self.instruction.lanes) for part in range(vectors)]
            column = index.mul(k, stride)
            updated: list[ir.Value] = []
            for i, start in enumerate(starts):
                left = self.instruction.broadcast(flat.load(index.add(start, column)))
                for part in range(vectors):
                    updated.append(self.instruction.accumulate(left, vectors_of_row[part], held[i * vectors + part]))
            return updated

        return for_loop(index, 0, depth, 1, step, list(initial))

    def _at(self, row: Index, part: int) -> Index:
        """The offset of vector `part` of a row of `[..][tile]`."""
        return self.index.add(self.index.mul(row, self.rows.tile), part * self.instruction.lanes)
