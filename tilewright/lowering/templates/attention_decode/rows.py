"""The rows of queries of a unit: which query and head each is, the keys it sees, its copy in scratch, and its result."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.math.logarithm import log2
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.softmax import INVISIBLE, LOG2_E, NOTHING_SEEN, exp2_of_difference
from tilewright.lowering.templates.attention_decode.head_layout import HeadLayout, as_f32
from tilewright.lowering.templates.attention_decode.problem import DecodeProblem
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat

LN_2 = 0.6931471805599453


@dataclass(frozen=True)
class UnitPlace:
    """What a unit of work is: batch element, key and value head, the first of its rows, the slice of the keys."""

    batch: Index
    kv_head: Index
    first_row: Index
    slice: Index


@dataclass(frozen=True)
class RowBuffers:
    """Of a unit's rows, in scratch: `queries [tile][layout]`, `sums [tile][layout]`, `maxima [tile]`, `totals [tile][lanes]`."""

    queries: Flat
    sums: Flat
    maxima: Flat
    totals: Flat


@dataclass(frozen=True)
class DecodeRows:
    """Emits what depends on a row. Row `r` is head `r mod group` of query `r div group`; rows past the last one repeat it."""

    problem: DecodeProblem
    index: IndexMath
    lanes: Lanes
    tile: int
    keys_layout: HeadLayout
    values_layout: HeadLayout
    buffers: RowBuffers

    def count(self) -> Index:
        """Rows of one key and value head."""
        return self.index.mul(self.index.dim(self.problem.queries), self.problem.group)

    def query_and_head(self, place: UnitPlace, row: Index) -> tuple[Index, Index]:
        """The query and the query head of a row of the unit."""
        index, group = self.index, self.problem.group
        number = index.min(index.add(place.first_row, row), index.sub(self.count(), 1))
        return index.div(number, group), index.add(index.mul(place.kv_head, group), index.rem(number, group))

    def offset(self, tensor: Strided, place: UnitPlace, row: Index) -> Index:
        """Where a row begins in a tensor over batch elements, query heads and queries."""
        index = self.index
        query, head = self.query_and_head(place, row)
        at = index.add(index.mul(place.batch, index.dim(tensor.batch)), index.mul(head, index.dim(tensor.head)))
        return index.add(at, index.mul(query, index.dim(tensor.row)))

    def visible(self, place: UnitPlace, row: Index, offset: Index, length: Index) -> tuple[Index, Index]:
        """The range of keys that a row sees by its position; `offset` is the position of query 0, `length` the number of keys."""
        index, problem = self.index, self.problem
        position = index.add(self.query_and_head(place, row)[0], offset)
        first: Index = 0
        if problem.window:
            first = index.max(index.sub(position, problem.window - 1), 0)
        return first, index.min(length, index.add(position, 1)) if problem.causal else length

    def query_scale(self) -> float:
        """The factor of the queries. Scores are in units of log2 where nothing follows that reads them in others."""
        problem = self.problem
        if problem.softcap:
            return problem.scale / problem.softcap
        return problem.scale if problem.score is not None else problem.scale * LOG2_E

    def prepare(self, source: Flat, place: UnitPlace) -> None:
        """Copy the queries, scaled, in the order of the keys' elements; clear the sums."""
        index, lanes, layout = self.index, self.lanes, self.keys_layout
        factor = self.query_scale()
        zero = lanes.constant(0.0)

        def row(number: ir.Value, _: list[ir.Value]) -> None:
            start, to = self.offset(self.problem.q, place, number), index.mul(number, layout.row)
            vectors = [value for part in layout.parts for value in layout.load_ordered(source, start, part)]
            for i, value in enumerate(vectors):
                self.buffers.queries.store_vector(lanes.mul(value, factor), index.add(to, i * layout.lanes))
            at = index.mul(number, self.values_layout.row)
            for i in range(self.values_layout.vectors):
                self.buffers.sums.store_vector(zero, index.add(at, i * layout.lanes))
            self.buffers.maxima.store(arith.constant(ir.F32Type.get(), INVISIBLE), number)
            self.buffers.totals.store_vector(zero, index.mul(number, layout.lanes))

        for_loop(index, 0, self.tile, 1, row)

    def finish(self, out: Flat | None, logsumexp: Flat | None, sinks: Flat | None, place: UnitPlace) -> None:
        """Divide the sums by the totals and store them, and the logarithm of the normalizer."""
        index, lanes, problem, layout = self.index, self.lanes, self.problem, self.values_layout
        out_slice, logsumexp_slice = (index.mul(place.slice, index.dim(stride)) for stride in problem.slice_strides)

        def row(number: ir.Value, _: list[ir.Value]) -> None:
            held = self.buffers.totals.load_vector(index.mul(number, layout.lanes), layout.lanes)
            total = vector.broadcast(lanes.f32, vector.reduction(ir.F32Type.get(), ir.Attribute.parse("#vector.kind<add>"), held))
            top = vector.broadcast(lanes.f32, self.buffers.maxima.load(number))
            # A total that is NaN is a row of NaN, not one that sees nothing.
            seen = arith.ori(lanes.compare("ogt", top, NOTHING_SEEN), lanes.compare("uno", total, total))
            total = lanes.select(seen, total, 0.0)
            factor = lanes.constant(1.0)
            if sinks is not None and problem.sinks is not None:
                _, head = self.query_and_head(place, number)
                sink = vector.broadcast(lanes.f32, as_f32(sinks.load(index.mul(head, index.dim(problem.sinks.head)))))
                sink = lanes.mul(sink, LOG2_E)
                raised = lanes.max(top, sink)
                factor = exp2_of_difference(lanes, top, raised)
                total = lanes.fma(total, factor, exp2_of_difference(lanes, sink, raised))
                top = raised
            if out is not None and problem.out is not None:
                factor = lanes.select(seen, lanes.div(factor, total), 0.0)
                start = index.add(self.offset(problem.out, place, number), out_slice)
                at: Index = index.mul(number, layout.row)
                for part in layout.parts:
                    values: list[ir.Value] = []
                    for _half in range(2 if part.paired else 1):
                        values.append(lanes.mul(self.buffers.sums.load_vector(at, layout.lanes), factor))
                        at = index.add(at, layout.lanes)
                    layout.store(out, start, part, values)
            if logsumexp is not None and problem.logsumexp is not None:
                normalizer = lanes.mul(lanes.add(top, log2(lanes, total)), LN_2)
                normalizer = lanes.select(lanes.compare("oeq", total, 0.0), lanes.constant(float("-inf")), normalizer)
                at = index.add(self.offset(problem.logsumexp, place, number), logsumexp_slice)
                logsumexp.store(vector.extract(normalizer, [], [0]), at)

        for_loop(index, 0, self.tile, 1, row)
