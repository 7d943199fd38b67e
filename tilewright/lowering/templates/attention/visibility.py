"""Which keys the queries of a tile may see, as far as that follows from positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.softmax import INVISIBLE
from tilewright.lowering.templates.index_math import Index


@dataclass(frozen=True)
class VisibleKeys:
    """Of one tile: some row may see the keys `first <= key < end`, and all rows see those of `seen_by_all` (first, end).

    `last` is the last key that each lane may see, as i32, by vector; empty where all lanes see all keys up to the end.
    """

    first: Index
    end: Index
    seen_by_all: tuple[Index, Index]
    last: list[ir.Value]


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
        if not problem.causal:
            return VisibleKeys(0, end, (0, end), [])
        offset = self._offset_of_queries(place)
        group, rows = problem.group, context.rows
        last_row = index.min(index.add(place.first_row, rows.tile - 1), index.sub(rows.count(), 1))
        # The end of what the first query sees, and of what the last one sees.
        ends = [index.add(index.add(index.div(row, group), offset), 1) for row in (place.first_row, last_row)]
        first_end, last_end = (index.max(index.min(end, e), 0) for e in ends)
        return VisibleKeys(0, last_end, (0, first_end), self._last(place, offset))

    def hide(self, tile: Sequence[ir.Value], keys: Sequence[Index], visible: VisibleKeys) -> list[ir.Value]:
        """Scores `tile[key][vector]` of the numbered keys; those that a lane must not see become `INVISIBLE`."""
        if not visible.last:
            return list(tile)
        index, lanes = self.context.index, self.context.lanes
        i32 = ir.IntegerType.get_signless(32)
        hidden = lanes.constant(INVISIBLE)
        result: list[ir.Value] = []
        for i, value in enumerate(tile):
            row, part = divmod(i, self.context.vectors)
            last = visible.last[part]
            number = vector.broadcast(last.type, arith.index_cast(i32, index.value(keys[row])))
            result.append(arith.select(arith.cmpi(arith.CmpIPredicate.sle, number, last), value, hidden))
        return result

    def all_see(self, keys: Sequence[Index], visible: VisibleKeys) -> ir.Value | None:
        """Whether all lanes see all of the numbered keys (an i1); None where that is always so."""
        if not visible.last:
            return None
        return self.context.index.compare("lt", keys[-1], visible.seen_by_all[1])

    def _offset_of_queries(self, place: TilePlace) -> Index:
        """Position of query 0 among the keys; may be negative."""
        context, index = self.context, self.context.index
        given = context.input(context.problem.q_offset)
        if given is None:
            return index.sub(context.all_keys, index.dim(context.problem.queries))
        return arith.index_cast(index.type, given.load(place.batch))

    def _last(self, place: TilePlace, offset: Index) -> list[ir.Value]:
        context, i32 = self.context, ir.IntegerType.get_signless(32)
        kind = ir.VectorType.get([context.rows.lanes], i32)
        spread = vector.broadcast(kind, arith.index_cast(i32, context.index.value(offset)))
        return [arith.addi(context.rows.positions(place, part), spread) for part in range(context.vectors)]
