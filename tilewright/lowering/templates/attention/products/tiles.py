"""Products on AMX tiles for bf16: sixteen rows of K, or of V^T, meet 16 queries over 32 dimensions, or keys, in one instruction.

K is read where it is if its rows are dense and whole, V is packed once per head to `[groups of 32 keys][Dv][32 keys]`, queries and
probabilities are pairs. Two tiles of rows meet two of queries, so that each loaded tile is multiplied twice. Accumulators leave through
memory: scores into the block that the softmax reads, sums into their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.products.base import FinishScores, KeyBlock, Products, UnchangedScores
from tilewright.lowering.templates.attention.products.pair_operands import (
    GROUP,
    LANES,
    KeyRows,
    QueryPairs,
    ValueRows,
    hide_rows,
    key_groups,
    up_to,
)
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.tile_registers import CONFIGURATION_BYTES, TILE_ROWS, TileAddress, TileRegisters
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.views import times

INSTRUCTION = "tdpbf16ps"
_LEFT, _RIGHT = 4, 6
"""The first registers of rows and of queries, two each; those below accumulate, `[row tile][query tile]`."""


class TileKeys:
    """The rows of K of one head as tiles. No row beyond the last one is read: where rows are in place, those of the last group are copied
    if they are fewer than `GROUP`.
    """

    def __init__(self, context: KernelContext, registers: TileRegisters) -> None:
        self.context, self.registers = context, registers
        self.rows = KeyRows(context, multiple=GROUP, spare_rows=GROUP)

    @property
    def padded(self) -> int:
        """Dimensions of a row, a multiple of `GROUP`."""
        return self.rows.padded

    def begin_head(self, place: TilePlace) -> None:
        index = self.context.index
        first = index.mul(index.div(self.context.all_keys, GROUP), GROUP) if self.rows.in_place else 0
        self.rows.copy(place, first)

    def group(self, place: TilePlace, first: Index) -> TileAddress:
        """Where the `GROUP` keys from `first` lie."""
        index, rows = self.context.index, self.rows
        stride = rows.padded * rows.flat.element_bytes
        start = self.registers.address(rows.flat, rows.start(place, first))
        if rows.in_place:
            whole = index.compare("le", index.add(first, GROUP), self.context.all_keys)
            start = index.select(whole, start, self.registers.address(rows.copied, 0))
        return TileAddress(start, stride)


class TileValues:
    """V of one head, transposed: `[groups of 32 keys][Dv][32 keys]`, with room for whole tiles of dimensions."""

    def __init__(self, context: KernelContext, registers: TileRegisters) -> None:
        self.context, self.registers = context, registers
        self.size = context.problem.value_size
        self.rows = ValueRows(context)
        self.group_words = up_to(self.size, TILE_ROWS) * GROUP // 2
        self.words = context.region(times(key_groups(context.problem.keys), self.group_words), "i32")

    def begin_head(self, place: TilePlace) -> None:
        index = self.context.index

        def pack(first: Index, words: Callable[[Index, Index, bool], list[ir.Value]]) -> None:
            to = index.mul(index.div(first, GROUP), self.group_words)

            def block(column: Index, ragged: bool) -> None:
                for step, values in enumerate(transpose_block(words(first, column, ragged))):
                    self.words.store_vector(values, index.add(to, index.mul(index.add(column, step), LANES)))

            whole = self.size // LANES * LANES
            if whole:
                for_loop(index, 0, whole, LANES, lambda column, _: block(column, False))
            if whole != self.size:
                block(whole, True)

        self.rows.each_group(place, pack)

    def group(self, first: Index) -> TileAddress:
        """The first tile of the group from key `first`; those of later dimensions follow."""
        index = self.context.index
        offset = index.mul(index.div(first, GROUP), self.group_words)
        return TileAddress(self.registers.address(self.words, offset), LANES * self.words.element_bytes)


class TileProducts(Products):
    """Blocks of keys are made of whole groups. Probabilities, as pairs, replace the scores."""

    def __init__(self, context: KernelContext, query_scale: float, scores: Flat, sums: Flat) -> None:
        super().__init__(context, query_scale, scores, sums, padding=GROUP, stored_together=2, keeps_pairs=True)
        self.registers = TileRegisters(context.index, context.region(CONFIGURATION_BYTES, "i8"))
        self.queries = QueryPairs(context)
        self.keys = TileKeys(context, self.registers)
        self.values = TileValues(context, self.registers)
        self.row_bytes = context.rows.tile * 4

    @property
    def remaining_scale(self) -> float:
        return self.query_scale

    def begin(self) -> None:
        self.registers.write_configuration()
        self.registers.configure()

    def end(self) -> None:
        self.registers.release()

    def begin_head(self, place: TilePlace) -> None:
        self.keys.begin_head(place)
        self.values.begin_head(place)

    def begin_tile(self, place: TilePlace) -> None:
        self.queries.pack(place)

    def compute_scores(self, block: KeyBlock, best: list[ir.Value], finish: FinishScores, unchanged: UnchangedScores) -> list[ir.Value]:
        index = self.context.index

        def group(offset: ir.Value, _: list[ir.Value]) -> None:
            keys = self.keys.group(block.place, index.add(block.first, offset))
            for parts in self._parts():
                self._multiply_keys(keys, offset, parts)

        for_loop(index, 0, block.count, GROUP, group)
        return self._finish(block, best, finish, unchanged)

    def store_probabilities(self, row: Index, values: Sequence[Sequence[ir.Value]], parts: range) -> None:
        (pairs,) = values
        for part, value in zip(parts, pairs, strict=True):
            self.scores.store_vector(self.context.lanes.from_bits(value), self.context.at(self.context.index.div(row, 2), part))

    def add_values(self, block: KeyBlock) -> None:
        index = self.context.index
        groups = index.ceildiv(block.count, GROUP)
        values = self.values.group(block.first)
        whole = self.values.size // (2 * TILE_ROWS) * (2 * TILE_ROWS)

        def dimensions(first: Index, row_tiles: int) -> None:
            for parts in self._parts():
                self._multiply_values(values, groups, first, row_tiles, parts)

        if whole:
            for_loop(index, 0, whole, 2 * TILE_ROWS, lambda first, _: dimensions(first, 2))
        if whole != self.values.size:
            dimensions(whole, -(-(self.values.size - whole) // TILE_ROWS))

    def _parts(self) -> list[range]:
        """The vectors of queries that are multiplied together."""
        vectors = self.context.vectors
        return [range(first, min(first + 2, vectors)) for first in range(0, vectors, 2)]

    def _multiply_keys(self, keys: TileAddress, row: Index, parts: range) -> None:
        """Store the raw scores of the `GROUP` keys at `row` of the block."""
        index, registers = self.context.index, self.registers
        places = self._accumulators(self.scores, row, 2, parts)
        for number in range(len(places)):
            registers.zero(number)
        for column in range(0, self.keys.padded, GROUP):
            queries = self._pairs(self.queries.words, column // 2, parts)
            left = [index.add(keys.start, index.add(index.mul(keys.stride, tile * TILE_ROWS), column * 2)) for tile in range(2)]
            self._multiply([TileAddress(start, keys.stride) for start in left], queries)
        for number, place in enumerate(places):
            registers.store(number, place)

    def _multiply_values(self, values: TileAddress, groups: Index, first: Index, row_tiles: int, parts: range) -> None:
        """Add to the sums of the dimensions from `first`."""
        index, registers = self.context.index, self.registers
        places = self._accumulators(self.sums, first, row_tiles, parts)
        for number, place in enumerate(places):
            registers.load(number, place)

        def group(number: ir.Value, _: list[ir.Value]) -> None:
            start = index.add(values.start, index.mul(number, self.values.group_words * 4))
            start = index.add(start, index.mul(first, values.stride))
            left = [TileAddress(index.add(start, tile * TILE_ROWS * LANES * 4), values.stride) for tile in range(row_tiles)]
            self._multiply(left, self._pairs(self.scores, index.mul(number, GROUP // 2), parts))

        for_loop(index, 0, groups, 1, group)
        for number, place in enumerate(places):
            registers.store(number, place)

    def _multiply(self, left: Sequence[TileAddress], right: Sequence[TileAddress]) -> None:
        """Multiply each tile of rows with each tile of queries."""
        registers = self.registers
        for tile, rows in enumerate(left):
            registers.load(_LEFT + tile, rows, once=True)
            for part, queries in enumerate(right):
                if tile == 0:
                    registers.load(_RIGHT + part, queries)
                registers.multiply(INSTRUCTION, tile * len(right) + part, _LEFT + tile, _RIGHT + part)

    def _pairs(self, flat: Flat, row: Index, parts: range) -> list[TileAddress]:
        """The tiles of pairs from `row` of `[..][tile]` words."""
        return [TileAddress(self.registers.address(flat, self.context.at(row, part)), self.row_bytes) for part in parts]

    def _accumulators(self, flat: Flat, row: Index, row_tiles: int, parts: range) -> list[TileAddress]:
        """The tiles of `[..][tile]` from `row`, in the order of their registers."""
        return [place for tile in range(row_tiles) for place in self._pairs(flat, self.context.index.add(row, tile * TILE_ROWS), parts)]

    def _finish(self, block: KeyBlock, best: list[ir.Value], finish: FinishScores, unchanged: UnchangedScores) -> list[ir.Value]:
        """Raw scores of a block become scores as the softmax reads them; those behind the last key become `INVISIBLE`."""
        context, index, step = self.context, self.context.index, self.context.schedule.rows
        whole = index.mul(index.div(block.count, step), step)

        def rows(offset: Index, height: int, held: list[ir.Value]) -> list[ir.Value]:
            places = [context.at(index.add(offset, row), part) for row in range(height) for part in range(context.vectors)]
            tile = [self.scores.load_vector(at, context.rows.lanes) for at in places]
            keys = [index.add(index.add(block.first, offset), row) for row in range(height)]

            def keep() -> list[ir.Value]:
                # As a tree: a chain of maxima would take longer than all else that is done to a score here.
                return [_largest(context.lanes, [held[part], *tile[part :: context.vectors]]) for part in range(context.vectors)]

            def change() -> list[ir.Value]:
                finished, largest = finish(tile, keys, held)
                for raw, value, at in zip(tile, finished, places, strict=True):
                    if value is not raw:
                        self.scores.store_vector(value, at)
                return largest

            alone = unchanged(keys)
            if isinstance(alone, bool):
                return keep() if alone else change()
            return if_else(alone, keep, change, [v.type for v in held])

        best = for_loop(index, 0, whole, step, lambda offset, held: rows(offset, step, held), best)
        best = for_loop(index, whole, block.count, 1, lambda offset, held: rows(offset, 1, held), best)
        hide_rows(context, self.scores, block.count, index.round_up(block.count, GROUP))
        return best


def _largest(lanes: Lanes, values: Sequence[ir.Value]) -> ir.Value:
    """The largest of values, the first of which is needed last."""
    if len(values) == 1:
        return values[0]
    first, *others = values
    while len(others) > 1:
        others = [lanes.max(*pair) if len(pair) == 2 else pair[0] for pair in (others[i : i + 2] for i in range(0, len(others), 2))]
    return lanes.max(first, others[0])
