"""Which keys the queries of a tile may see, as far as that follows from positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.softmax import INVISIBLE
from tilewright.lowering.templates.index_math import Index

_FARTHEST = 1 << 30
"""Offsets of queries and windows beyond it are cut to it: positions are i32, and there are fewer keys than that."""


@dataclass(frozen=True)
class VisibleKeys:
    """Of one tile: some row may see the keys `first <= key < end`, and all rows see those of `seen_by_all` (first, end), if positions
    alone decide.

    `earliest` and `latest` are the first and the last key that each lane may see, as i32, by vector; empty where there is no such limit
    but the range. A range may be extended downwards: what lies before it is hidden by `Visibility.hide`.
    """

    first: Index
    end: Index
    seen_by_all: tuple[Index, Index]
    earliest: list[ir.Value]
    latest: list[ir.Value]


@dataclass(frozen=True)
class Visibility:
    """Emits the ranges of a tile, and hides keys from lanes."""

    context: KernelContext

    def of_tile(self, place: TilePlace) -> VisibleKeys:
        """The keys of a tile of queries."""
        context, index, problem = self.context, self.context.index, self.context.problem
        end: Index = context.all_keys
        lengths = context.input(problem.kv_len)
        if lengths is not None:
            end = index.max(index.min(end, arith.index_cast(index.type, lengths.load(place.batch))), 0)
        if not problem.causal and not problem.window:
            return VisibleKeys(0, end, (0, end), [], [])
        offset = self._offset_of_queries(place)
        rows = context.rows
        first_row, last_row = index.max(place.first_row, 0), index.add(place.first_row, rows.tile - 1)
        lowest, highest = (index.add(index.div(row, problem.group), offset) for row in (first_row, last_row))
        first, all_first, all_end = 0, 0, end
        positions = [self._positions(place, offset, part) for part in range(context.vectors)]
        earliest, latest = [], []
        if problem.causal:
            latest = positions
            all_end = index.max(index.min(end, index.add(lowest, 1)), 0)
            end = index.max(index.min(end, index.add(highest, 1)), 0)
        if problem.window:
            window = min(problem.window, _FARTHEST)
            earliest = [arith.subi(position, context.lanes.constant(window - 1, position.type)) for position in positions]
            first = index.max(index.sub(lowest, window - 1), 0)
            all_first = index.sub(highest, window - 1)
        return VisibleKeys(first, end, (all_first, all_end), earliest, latest)

    def ends_of_vectors(self, place: TilePlace, visible: VisibleKeys) -> list[Index]:
        """For each vector of queries of a tile, the end of the keys that some lane may see; ascending. 0 where no lane holds a row."""
        context, index, problem = self.context, self.context.index, self.context.problem
        offset = self._offset_of_queries(place) if problem.causal else 0
        ends: list[Index] = []
        for part in range(context.vectors):
            last_row = index.add(place.first_row, (part + 1) * context.rows.lanes - 1)
            end = visible.end
            if problem.causal:
                position = index.add(index.div(index.max(last_row, 0), problem.group), offset)
                end = index.max(index.min(end, index.add(position, 1)), 0)
            ends.append(index.select(index.compare("ge", last_row, 0), end, 0))
        return ends

    def hide(self, tile: Sequence[ir.Value], keys: Sequence[Index], visible: VisibleKeys) -> list[ir.Value]:
        """Scores `tile[key][vector]` of the numbered keys; those that a lane must not see become `INVISIBLE`."""
        index, lanes = self.context.index, self.context.lanes
        i32 = ir.IntegerType.get_signless(32)
        hidden = lanes.constant(INVISIBLE)
        result: list[ir.Value] = []
        for i, value in enumerate(tile):
            row, part = divmod(i, self.context.vectors)
            number = vector.broadcast(lanes.i32, arith.index_cast(i32, index.value(keys[row])))
            if visible.latest:
                value = lanes.select(lanes.compare_int("sle", number, visible.latest[part]), value, hidden)
            if visible.earliest:
                value = lanes.select(lanes.compare_int("sge", number, visible.earliest[part]), value, hidden)
            result.append(value)
        return result

    def all_see(self, keys: Sequence[Index], visible: VisibleKeys) -> ir.Value | None:
        """Whether all lanes see all of the numbered keys (an i1); None where that is always so."""
        index, (first, end) = self.context.index, visible.seen_by_all
        conditions: list[ir.Value] = []
        if visible.earliest:
            conditions.append(index.compare("ge", keys[0], first))
        if visible.latest:
            conditions.append(index.compare("lt", keys[-1], end))
        return arith.andi(*conditions) if len(conditions) == 2 else next(iter(conditions), None)

    def _offset_of_queries(self, place: TilePlace) -> Index:
        """Position of query 0 among the keys; may be negative."""
        context, index = self.context, self.context.index
        given = context.input(context.problem.q_offset)
        if given is None:
            return index.sub(context.all_keys, index.dim(context.problem.queries))
        offset = arith.index_cast(index.type, given.load(place.batch))
        return index.max(index.min(offset, _FARTHEST), -_FARTHEST)

    def _positions(self, place: TilePlace, offset: Index, part: int) -> ir.Value:
        """The position among the keys of the query that each lane of vector `part` holds, as i32."""
        spread = vector.broadcast(
            self.context.lanes.i32, arith.index_cast(ir.IntegerType.get_signless(32), self.context.index.value(offset))
        )
        return arith.addi(self.context.rows.positions(place, part), spread)
