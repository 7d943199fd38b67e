"""Products with keys of 8-bit integers on AMX tiles: sixteen keys meet the queries of four rows over 64 dimensions in one instruction.

Queries are written as sums of three integers of 8 bits, `q = s (a + b / 254 + c / 254^2)`, which hold 24 bits in all, as f32 does. Products
of integers are exact, so the result is that of f32 arithmetic. Keys are tiles where they lie; the few of a ragged group are copied.
"""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.core.symbolic import Dim
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention_decode.cache import Cache, KeyRange
from tilewright.lowering.templates.attention_decode.products import KeyProducts, Prefetch, fold
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.tile_registers import TILE_BYTES, TILE_ROWS, TileAddress, TileRegisters
from tilewright.passes.schedules.attention_decode import KEYS, TILES

ROWS = 4
"""Rows of queries of a tile: a column of it is one part of one row."""
PARTS = 3
LEVELS = 127.0
STEP = 254.0
_SUMS, _RELOADED, _KEYS, _QUERIES = 0, 1, 2, 4
"""Registers: sums, queries that are loaded for each group of keys, the first of two for keys in turn, and the first of four for queries
that stay.
"""
_STAYING = 4
_TILE_WORDS = TILE_ROWS * TILE_BYTES // 4


@dataclass(frozen=True)
class TileBuffers:
    """Scratch: `parts [groups][size / 64][tile]` of i32, of which each holds four dimensions; `factors [groups][16]`; `sums
    [block][16]` of i32; `copied [16][size]` of i8. `queries` are `[tile][size]`.
    """

    queries: Flat
    parts: Flat
    factors: Flat
    sums: Flat
    copied: Flat


def scratch_sizes(size: int, tile: int, block: int) -> dict[str, tuple[Dim, str]]:
    """Elements and types of the regions, by name."""
    groups = -(-tile // ROWS)
    return {
        "parts": (groups * size // TILE_BYTES * _TILE_WORDS, "i32"),
        "factors": (groups * TILE_ROWS, "f32"),
        "sums": (block * TILE_ROWS, "i32"),
        "copied": (TILE_ROWS * size, "i8"),
    }


@dataclass(frozen=True)
class TileProducts(KeyProducts):
    """Emits the products of `rows` rows, up to four, with keys of `size` dimensions, a multiple of 64."""

    index: IndexMath
    lanes: Lanes
    cache: Cache
    k: Flat
    tensor: Strided
    buffers: TileBuffers
    registers: TileRegisters
    size: int
    tile: int
    rows: int

    @property
    def steps(self) -> int:
        """Tiles along the head dimension."""
        return self.size // TILE_BYTES

    def begin(self) -> None:
        self.registers.write_configuration()
        self.registers.configure()

    def end(self) -> None:
        self.registers.release()

    def prepare(self) -> None:
        """Part the queries, and load those of the first rows if they fit the registers."""
        index = self.index
        word = arith.constant(ir.VectorType.get([16], ir.IntegerType.get_signless(32)), _splat(0))
        words = self.tile // self.rows * self.steps * _TILE_WORDS
        for_loop(index, 0, words, 16, lambda at, _: self.buffers.parts.store_vector(word, at))
        nothing = self.lanes.constant(0.0)
        for_loop(index, 0, self.tile // self.rows * TILE_ROWS, 16, lambda at, _: self.buffers.factors.store_vector(nothing, at))

        def row(number: ir.Value, _: list[ir.Value]) -> None:
            self._part_row(index.mul(number, self.size), index.div(number, self.rows), index.rem(number, self.rows))

        for_loop(index, 0, self.tile, 1, row)
        if self._resident():
            for step in range(self.steps):
                self.registers.load(_QUERIES + step, self._queries(0, step))

    def _resident(self) -> bool:
        return self.steps <= _STAYING

    def _queries(self, group: Index, step: int) -> TileAddress:
        offset = self.index.add(self.index.mul(group, self.steps * _TILE_WORDS), step * _TILE_WORDS)
        return TileAddress(self.registers.address(self.buffers.parts, offset), TILE_BYTES)

    def _part_row(self, start: Index, group: Index, row: Index) -> None:
        """Write a row of queries as the columns `part * ROWS + row` of its group's tiles, and the factors of these."""
        index, lanes, width = self.index, self.lanes, self.lanes.width
        zero = lanes.constant(0.0)

        def largest(at: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            query = self.buffers.queries.load_vector(index.add(start, at), width)
            # What is no number makes the second sum, and by that the factors, NaN.
            return [lanes.max(lanes.abs(query), held[0]), lanes.fma(query, 0.0, held[1])]

        bound, wrong = for_loop(index, 0, self.size, width, largest, [zero, zero])
        f32 = ir.F32Type.get()
        top = vector.reduction(f32, ir.Attribute.parse("#vector.kind<maxnumf>"), bound)
        top = arith.addf(top, vector.reduction(f32, ir.Attribute.parse("#vector.kind<add>"), wrong))
        spread = vector.broadcast(lanes.f32, top)
        scale = lanes.select(lanes.compare("ogt", spread, 1e-30), lanes.div(LEVELS, spread), 0.0)
        column = index.add(index.mul(group, TILE_ROWS), row)
        for part in range(PARTS):
            factor = arith.mulf(top, arith.constant(f32, 1.0 / (LEVELS * STEP**part)))
            self.buffers.factors.store(factor, index.add(column, part * ROWS))

        def words(at: ir.Value, _: list[ir.Value]) -> None:
            rest = lanes.mul(self.buffers.queries.load_vector(index.add(start, at), width), scale)
            to = index.add(index.mul(group, self.steps * _TILE_WORDS), index.add(index.mul(at, TILE_ROWS // 4), row))
            for part in range(PARTS):
                whole, integers = lanes.round_scaled(rest, 1.0)
                narrow = arith.trunci(ir.VectorType.get([width], ir.IntegerType.get_signless(8)), integers)
                packed = vector.bitcast(ir.VectorType.get([width // 4], ir.IntegerType.get_signless(32)), narrow)
                for four in range(width // 4):
                    self.buffers.parts.store(vector.extract(packed, [], [four]), index.add(to, four * TILE_ROWS + part * ROWS))
                rest = lanes.mul(lanes.sub(rest, whole), STEP)

        for_loop(index, 0, self.size, width, words)

    def compute(self, keys: KeyRange, first_row: Index, first_key: Index, count: Index, prefetch: Prefetch | None) -> None:
        index, registers = self.index, self.registers
        group = index.div(first_row, self.rows)
        resident = self._resident() and isinstance(group, int)

        def sixteen(offset: Index) -> None:
            place = self._keys(keys, index.add(first_key, offset))
            if prefetch is not None:
                for four in range(0, TILE_ROWS, KEYS):
                    prefetch(index.add(offset, four))
            registers.zero(_SUMS)
            for step in range(self.steps):
                queries = _QUERIES + step if resident else _RELOADED
                if not resident:
                    registers.load(queries, self._queries(group, step))
                held = _KEYS + step % 2
                registers.load(held, TileAddress(index.add(place.start, step * TILE_BYTES), place.stride))
                registers.multiply(TILES, _SUMS, held, queries)
            at = registers.address(self.buffers.sums, index.mul(offset, TILE_ROWS))
            registers.store(_SUMS, TileAddress(at, TILE_BYTES))

        for_loop(index, 0, count, TILE_ROWS, lambda offset, _: sixteen(offset))

    def _keys(self, keys: KeyRange, first: Index) -> TileAddress:
        """Sixteen keys as a tile: in place, or copied where they are not all in the range, or not certainly of one page."""
        index, size = self.index, self.size
        stride = index.mul(index.dim(self.tensor.row), self.k.element_bytes)

        def copy() -> None:
            def row(number: ir.Value, _: list[ir.Value]) -> None:
                (start,) = self.cache.offsets(self.tensor, keys, self.cache.find(keys, index.add(first, number), 1))
                for at in range(0, size, TILE_BYTES):
                    self.buffers.copied.store_vector(
                        self.k.load_vector(index.add(start, at), TILE_BYTES), index.add(index.mul(number, size), at)
                    )

            for_loop(index, 0, TILE_ROWS, 1, row)

        copied = self.registers.address(self.buffers.copied, 0)
        if not self.cache.together(TILE_ROWS):
            copy()
            return TileAddress(copied, size)
        inside = arith.andi(index.compare("le", keys.first, first), index.compare("le", index.add(first, TILE_ROWS - 1), keys.last))
        if_else(inside, lambda: None, copy)
        (start,) = self.cache.offsets(self.tensor, keys, self.cache.find(keys, first, 1))
        direct = self.registers.address(self.k, start)
        return TileAddress(index.select(inside, direct, copied), index.select(inside, stride, size))

    def load(self, first_row: Index, offset: Index) -> list[ir.Value]:
        """Sums become f32, those of parts are added up, and lanes of rows become lanes of keys."""
        index, lanes = self.index, self.lanes
        group = index.div(first_row, self.rows)
        factors = self.buffers.factors.load_vector(index.mul(group, TILE_ROWS), TILE_ROWS)
        at = index.mul(offset, TILE_ROWS)
        held = [self.buffers.sums.load_vector(index.add(at, key * TILE_ROWS), TILE_ROWS) for key in range(TILE_ROWS)]
        values = [lanes.mul(lanes.to_float(value), factors) for value in held]
        # Lane 4 k + r: key k of four, row r.
        quads = [fold(values[i : i + 4], ROWS) for i in range(0, TILE_ROWS, 4)]
        return _rows_of(quads)[: self.rows]


def _rows_of(quads: list[ir.Value]) -> list[ir.Value]:
    """Vector `j`, lane `4 k + r` becomes vector `r`, lane `4 j + k`."""
    pairs = [[4 * k + r + 16 * j for r in rows for j in (0, 1) for k in range(4)] for rows in ((0, 1), (2, 3))]
    halves = [[vector.shuffle(quads[i], quads[i + 1], order) for i in (0, 2)] for order in pairs]
    low, high = [*range(8), *range(16, 24)], [*range(8, 16), *range(24, 32)]
    return [vector.shuffle(first, second, order) for first, second in halves for order in (low, high)]


def _splat(value: int) -> ir.Attribute:
    i32 = ir.IntegerType.get_signless(32)
    return ir.DenseElementsAttr.get_splat(ir.VectorType.get([16], i32), ir.IntegerAttr.get(i32, value))
