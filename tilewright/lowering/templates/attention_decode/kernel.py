"""The loops of a decode attention kernel.

A unit of work is a slice of the keys of one key and value head, for one tile of its rows of queries, which share each pass over the keys. A
block of keys is scored, its scores become probabilities under a running maximum, and its values are added to the rows' sums. Rows of keys
and values are prefetched at an even pace, as four streams beside each other, two for either: one core reads more of them than of one.
Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; slices after Dao et al., "Flash-Decoding", 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.softmax import exp2_of_difference
from tilewright.lowering.templates.attention_decode.cache import Cache, KeyRange
from tilewright.lowering.templates.attention_decode.problem import DecodeProblem
from tilewright.lowering.templates.attention_decode.rows import DecodeRows, UnitPlace
from tilewright.lowering.templates.attention_decode.scores import Scores, load_scales
from tilewright.lowering.templates.attention_decode.values import Values
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.attention_decode import FMA, KEYS, TILES, AttentionDecodeSchedule

_LINE = 64
_LOCALITY = {FMA: 2, TILES: 3}
"""Into which level of the caches rows are fetched. For multiply-adds the second: the first has too few outstanding lines, and holds only a
part of what is fetched ahead. Loads of tiles want their rows near.
"""


@dataclass(frozen=True)
class DecodeBuffers:
    """Inputs and outputs that the loops themselves touch."""

    q: Flat
    k: Flat
    v: Flat
    out: Flat | None
    logsumexp: Flat | None
    kv_len: Flat | None
    q_offset: Flat | None
    sinks: Flat | None
    v_scale: Flat | None


@dataclass
class DecodeLoops:
    """Emits the code of one kernel."""

    problem: DecodeProblem
    schedule: AttentionDecodeSchedule
    index: IndexMath
    lanes: Lanes
    cache: Cache
    rows: DecodeRows
    scores: Scores
    values: Values
    buffers: DecodeBuffers

    def emit(self, lo: ir.Value, hi: ir.Value) -> None:
        """The units `lo <= unit < hi`."""
        index, problem = self.index, self.problem
        tiles = index.ceildiv(self.rows.count(), self.rows.tile)
        heads = index.dim(problem.kv_heads)
        self.all_keys = index.dim(problem.keys)

        def unit(number: ir.Value, _: list[ir.Value]) -> None:
            batch, kv_head, tile, part = index.delinearize(number, [0, heads, tiles, problem.splits])
            self._unit(UnitPlace(batch, kv_head, index.mul(tile, self.rows.tile), part))

        self.scores.products.begin()
        for_loop(index, lo, hi, 1, unit)
        self.scores.products.end()

    def _unit(self, place: UnitPlace) -> None:
        index, problem, schedule = self.index, self.problem, self.schedule
        self.rows.prepare(self.buffers.q, place)
        self.scores.products.prepare()
        offset, length = self._offset_of_queries(place), self._length(place)
        first, end = self._visible(place, offset, length)
        begin = index.mul(index.div(first, self.lanes.width), self.lanes.width)
        if problem.window:
            end = index.select(index.compare("lt", first, end), end, begin)
        end = index.max(end, begin)
        if problem.splits > 1:
            share = index.round_up(index.ceildiv(index.sub(end, begin), problem.splits), schedule.block)
            begin = index.add(begin, index.mul(place.slice, share))
            end = index.min(end, index.add(begin, share))
        keys = KeyRange(place.batch, place.kv_head, index.max(first, begin), index.sub(end, 1))

        def block(first_key: ir.Value, _: list[ir.Value]) -> None:
            count = index.min(index.sub(end, first_key), schedule.block)

            def scores(first_row: Index, prefetches: bool) -> None:
                self._scores(place, keys, first_row, first_key, count, (offset, end), prefetches)

            def values(first_row: Index, prefetches: bool) -> None:
                fetch = self._prefetch_beside_values(keys, first_key) if prefetches else None
                self.values.add(keys, first_row, first_key, count, fetch)

            self._by_rows(scores)
            self._by_rows(values)

        for_loop(index, begin, end, schedule.block, block)
        self.rows.finish(self.buffers.out, self.buffers.logsumexp, self.buffers.sinks, place)

    def _by_rows(self, emit: Callable[[Index, bool], None]) -> None:
        """`emit(first row, whether to prefetch)` for all rows of a tile, as many at a time as registers hold."""
        rows, tile = self.schedule.rows, self.rows.tile
        emit(0, self.schedule.prefetch > 0)
        if tile > rows:
            for_loop(self.index, rows, tile, rows, lambda first_row, _: emit(first_row, False))

    def _offset_of_queries(self, place: UnitPlace) -> Index:
        """The position of query 0 among the keys; may be negative."""
        index, given = self.index, self.buffers.q_offset
        if given is None:
            return index.sub(self.all_keys, index.dim(self.problem.queries))
        return arith.index_cast(index.type, given.load(place.batch))

    def _length(self, place: UnitPlace) -> Index:
        """How many keys there are."""
        index, given = self.index, self.buffers.kv_len
        if given is None:
            return self.all_keys
        return index.max(index.min(self.all_keys, arith.index_cast(index.type, given.load(place.batch))), 0)

    def _visible(self, place: UnitPlace, offset: Index, length: Index) -> tuple[Index, Index]:
        """The keys that some row of the unit may see: from the first of the first row to the end of the last."""
        first, _ = self.rows.visible(place, 0, offset, length)
        _, end = self.rows.visible(place, self.rows.tile - 1, offset, length)
        return first, end

    def _prefetch(self, keys: KeyRange, first_key: Index, row: Index) -> None:
        """Fetch a row of K and one of V, the `row`-th of the block that is `schedule.prefetch` keys ahead."""
        index, problem = self.index, self.problem
        key = index.add(index.add(first_key, self.schedule.prefetch), row)
        # Where keys follow each other in memory, behind the last one are those of the next head, which are next.
        found = self.cache.find(keys, key, 1, clamp=problem.pages is not None)
        streams = [
            (self.buffers.k, self.cache.offsets(problem.k, keys, found)[0], problem.head_size),
            (self.buffers.v, self.cache.offsets(problem.v, keys, found)[0], problem.value_size),
        ]
        for byte in range(0, max(size * flat.element_bytes for flat, _, size in streams), _LINE):
            for flat, start, size in streams:
                if byte < size * flat.element_bytes:
                    flat.prefetch(index.add(start, byte // flat.element_bytes), locality=_LOCALITY[self.schedule.products])

    def _prefetch_beside_scores(self, keys: KeyRange, first_key: Index) -> Callable[[Index], None]:
        """For each four keys that are scored, fetch two rows, half a block apart."""
        index, half = self.index, self.schedule.block // 2

        def fetch(offset: Index) -> None:
            row = index.div(offset, KEYS)
            self._prefetch(keys, first_key, row)
            self._prefetch(keys, first_key, index.add(row, half))

        return fetch

    def _prefetch_beside_values(self, keys: KeyRange, first_key: Index) -> Callable[[Index], None]:
        """Fetch the other rows of both halves of the block, in turn."""
        index, half = self.index, self.schedule.block // 2

        def fetch(number: Index) -> None:
            row = index.add(index.div(number, 2), index.mul(index.rem(number, 2), half))
            self._prefetch(keys, first_key, index.add(row, half // 2))

        return fetch

    def _scores(
        self,
        place: UnitPlace,
        keys: KeyRange,
        first_row: Index,
        first_key: Index,
        count: Index,
        positions: tuple[Index, Index],
        prefetches: bool,
    ) -> None:
        """Probabilities of a block for `rows` rows, under the running maximum, which rises if need be."""
        index, rows = self.index, self.schedule.rows
        fetch = self._prefetch_beside_scores(keys, first_key) if prefetches else None
        self.scores.products.compute(keys, first_row, first_key, count, fetch)
        offset, end = positions
        ranges: Sequence[tuple[Index, Index]] = [(0, end)] * rows
        if self.problem.by_position:
            ranges = [self.rows.visible(place, index.add(first_row, row), offset, end) for row in range(rows)]
        best = self.scores.complete(place, keys, first_row, first_key, ranges)
        if prefetches:
            self._prefetch_scales(keys, first_key)
        scales = self._value_scales(keys, first_key)
        for row in range(rows):
            self._probabilities(index.add(first_row, row), best[row], scales)

    def _prefetch_scales(self, keys: KeyRange, first_key: Index) -> None:
        """Fetch the scales of the keys of the block that is fetched: they are streams of their own, of few bytes in each page."""
        index, problem, width = self.index, self.problem, self.lanes.width
        for source, tensor in ((self.scores.buffers.k_scale, problem.k_scale), (self.buffers.v_scale, problem.v_scale)):
            if source is None or tensor is None:
                continue
            for ahead in range(self.schedule.prefetch, self.schedule.prefetch + self.schedule.block, width):
                found = self.cache.find(keys, index.add(first_key, ahead), 1, clamp=problem.pages is not None)
                source.prefetch(self.cache.offsets(tensor, keys, found)[0])

    def _value_scales(self, keys: KeyRange, first_key: Index) -> list[ir.Value]:
        """The scales of the block's values, by vector of keys; none where there are none."""
        source, tensor = self.buffers.v_scale, self.problem.v_scale
        if source is None or tensor is None:
            return []
        width, staging = self.lanes.width, self.scores.buffers.staging["f32"]
        places = range(0, self.schedule.block, width)
        return [load_scales(self.cache, source, tensor, keys, self.index.add(first_key, at), width, staging) for at in places]

    def _probabilities(self, row: Index, best: ir.Value, scales: Sequence[ir.Value]) -> None:
        """Scores of a row become probabilities, times the scales of values; what was summed before is rescaled where `best` is larger."""
        index, lanes, buffers = self.index, self.lanes, self.rows.buffers
        f32, width = ir.F32Type.get(), self.lanes.width
        kind, no_nan = ir.Attribute.parse("#vector.kind<maxnumf>"), ir.Attribute.parse("#arith.fastmath<nnan,nsz>")
        largest = vector.reduction(f32, kind, best, fastmath=no_nan)
        maximum = buffers.maxima.load(row)
        at = index.mul(row, width)
        rises = arith.cmpf(arith.CmpFPredicate.OGT, largest, maximum)

        def rescale() -> None:
            raised = vector.broadcast(lanes.f32, largest)
            factor = exp2_of_difference(lanes, vector.broadcast(lanes.f32, maximum), raised)
            buffers.maxima.store(largest, row)
            buffers.totals.store_vector(lanes.mul(buffers.totals.load_vector(at, width), factor), at)
            layout = self.rows.values_layout
            for i in range(layout.vectors):
                place = index.add(index.mul(row, layout.row), i * width)
                buffers.sums.store_vector(lanes.mul(buffers.sums.load_vector(place, width), factor), place)

        if_else(rises, rescale)
        top = vector.broadcast(lanes.f32, arith.select(rises, largest, maximum))
        total = buffers.totals.load_vector(at, width)
        scores = self.scores.buffers.scores
        for offset in range(0, self.schedule.block, width):
            place = index.add(index.mul(row, self.schedule.block), offset)
            value = exp2_of_difference(lanes, scores.load_vector(place, width), top)
            total = lanes.add(total, value)
            if scales:
                value = lanes.mul(value, scales[offset // width])
            scores.store_vector(value, place)
        buffers.totals.store_vector(total, at)
