"""Seam 4, the epilogue: the fused pointwise region applied to accumulators, with its operands loaded and its results stored.

Light epilogues run on the accumulators in registers. Heavy ones (an exp costs some twenty instructions, and a micro-kernel has
two dozen accumulators) and those of a ragged last panel run row by row over a tile in scratch that stays in the first-level
cache: the code is written once instead of once per accumulator, and rows or columns past the end are never touched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import ir, vector
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.micro_kernel import TileMemory
from tilewright.lowering.templates.matmul.problem import Access, Columns
from tilewright.lowering.templates.memory import Flat

LINE = 64
"""Bytes of a cache line."""
LIGHT_COST = 6
"""Instructions per element up to which an epilogue is repeated for every accumulator."""


@dataclass(frozen=True)
class Epilogue:
    """`apply(accumulators, operands)` emits the results for one vector, from one accumulator per right side; `cost` estimates its
    instructions per vector. Epilogues of equal `form` compute the same.
    """

    apply: Callable[[list[ir.Value], list[ir.Value]], list[ir.Value]]
    cost: int
    form: str = ""


class EpilogueStore:
    """Applies an epilogue at places of a range of columns and stores its results."""

    def __init__(
        self,
        columns: Columns,
        epilogue: Epilogue,
        index: IndexMath,
        operands: Sequence[Flat],
        results: Sequence[Flat],
        nr: int,
        lanes: int,
    ) -> None:
        self._columns, self._epilogue, self._index = columns, epilogue, index
        self._operands, self._results = operands, results
        self._nr, self._lanes = nr, lanes

    @property
    def in_registers(self) -> bool:
        """Whether accumulators are stored directly, which needs a known number of columns and a cheap epilogue with plain operands."""
        plain = all(_is_vector(a) or _is_uniform(a) for a in (*self._columns.operands, *self._columns.results))
        return isinstance(self._columns.n, int) and plain and self._epilogue.cost <= LIGHT_COST

    def use(self, operands: Sequence[Flat], results: Sequence[Flat]) -> None:
        """Read and write other buffers from here on, which lie like those before."""
        self._operands, self._results = operands, results

    def begin(self, batch: Sequence[Index], panel: Index, columns: int) -> None:
        """Fix the batch element and the panel, which has `columns` columns (at most, where their number is not known)."""
        index = self._index
        self._column, self._count = index.mul(panel, self._nr), columns
        self._bases = [self._sum(access.batch, batch) for access in (*self._columns.operands, *self._columns.results)]

    def prefetch_rows(self, rows: Sequence[Index]) -> None:
        """Ask for the lines of a tile's results and of the operands that differ by row before its k loop, so that nothing waits for
        them behind it.
        """
        count, lines = len(self._columns.operands), max(1, LINE // (self._lanes * 4))
        accesses = (*self._columns.operands, *self._columns.results)
        for i, (access, flat) in enumerate(zip(accesses, (*self._operands, *self._results), strict=True)):
            if access.m == 0 or not _is_vector(access):
                continue
            for row in rows:
                for part in range(0, self._nr // self._lanes, lines):
                    flat.prefetch(self._offset(access, self._bases[i], row, part), write=i >= count)

    def store_registers(self, tile: Sequence[Sequence[Sequence[ir.Value]]], rows: Sequence[Index]) -> None:
        """Results of `tile[row][right side][vector]`. Rows may repeat: they then store equal values twice."""
        masks = self._masks()
        for row, sides in zip(rows, tile, strict=True):
            for part, (accumulators, mask) in enumerate(zip(zip(*sides, strict=True), masks)):
                self._store_vector(list(accumulators), row, part, mask)

    def store_tile(self, tile: TileMemory, first_row: Index, rows: Index) -> None:
        """Results of the first `rows` rows of a tile in memory, `[rows][right sides][width]`, row by row."""
        index, nr, lanes = self._index, self._nr, self._lanes
        sides, width = len(self._columns.rhs), tile.width

        def run(masks: Sequence[ir.Value | None]) -> None:
            def one_row(row: ir.Value, _: list[ir.Value]) -> None:
                for part, mask in enumerate(masks):
                    base = index.add(tile.offset, index.mul(row, sides * width))
                    accumulators = [tile.flat.load_vector(index.add(base, side * width + part * lanes), lanes) for side in range(sides)]
                    self._store_vector(accumulators, index.add(first_row, row), part, mask)

            for_loop(index, 0, rows, 1, one_row)

        if isinstance(self._columns.n, int):
            run(self._masks())
            return
        left = index.sub(index.dim(self._columns.n), self._column)
        parts = range(nr // lanes)
        ragged = [functools.partial(self._mask, index.sub(left, part * lanes)) for part in parts]
        if_else(index.compare("ge", left, nr), lambda: run([None for _ in parts]), lambda: run([mask() for mask in ragged]))

    def _masks(self) -> list[ir.Value | None]:
        """The mask of each vector of the panel's columns, None where all lanes are there."""
        lanes = self._lanes
        return [self._mask(left) if left < lanes else None for left in range(self._count, 0, -lanes)]

    def _mask(self, count: Index) -> ir.Value:
        """A mask of the first `count` lanes."""
        kind = ir.VectorType.get([self._lanes], ir.IntegerType.get_signless(1))
        return vector.create_mask(kind, [self._index.value(count)])

    def _store_vector(self, accumulators: list[ir.Value], row: Index, part: int, mask: ir.Value | None) -> None:
        operands = [
            self._load(access, flat, self._offset(access, base, row, part), part, base, row, mask)
            for access, flat, base in zip(self._columns.operands, self._operands, self._bases[: len(self._operands)], strict=True)
        ]
        values = self._epilogue.apply(accumulators, operands)
        for value, (access, flat, base) in zip(values, self._result_places(), strict=True):
            if _is_vector(access):
                flat.store_vector(value, self._offset(access, base, row, part), mask)
                continue
            for lane in range(self._lanes):
                at = self._lane_offset(access, base, row, part, lane)
                scalar = vector.extract(value, [], [lane])
                if mask is None:
                    flat.store(scalar, at)
                else:
                    if_else(vector.extract(mask, [], [lane]), functools.partial(flat.store, scalar, at))

    def _load(self, access: Access, flat: Flat, offset: Index, part: int, base: Index, row: Index, mask: ir.Value | None) -> ir.Value:
        if _is_vector(access):
            return flat.load_vector(offset, self._lanes, mask)
        if _is_uniform(access):
            scalar = flat.load(offset)
            return vector.broadcast(ir.VectorType.get([self._lanes], scalar.type), scalar)
        scalars = [flat.load(self._lane_offset(access, base, row, part, lane)) for lane in range(self._lanes)]
        return vector.from_elements(ir.VectorType.get([self._lanes], scalars[0].type), scalars)

    def _result_places(self) -> list[tuple[Access, Flat, Index]]:
        return list(zip(self._columns.results, self._results, self._bases[len(self._operands) :], strict=True))

    def _offset(self, access: Access, base: Index, row: Index, part: int) -> Index:
        """The offset of the first column of vector `part` of a row."""
        index = self._index
        at = index.add(base, index.mul(row, index.dim(access.m)))
        return at if _is_uniform(access) else index.add(at, self._along_columns(access, index.add(self._column, part * self._lanes)))

    def _lane_offset(self, access: Access, base: Index, row: Index, part: int, lane: int) -> Index:
        """The offset of one column, clamped to the last one."""
        index = self._index
        at = index.add(base, index.mul(row, index.dim(access.m)))
        column = index.add(self._column, part * self._lanes + lane)
        last = index.sub(index.dim(self._columns.n), 1)
        return index.add(at, self._along_columns(access, index.min(column, last)))

    def _along_columns(self, access: Access, column: Index) -> Index:
        index, sizes = self._index, self._columns.n_steps
        if not sizes:
            return 0
        if len(sizes) == 1:
            return index.mul(column, index.dim(access.n[0]))
        return self._sum(access.n, index.delinearize(column, [index.dim(s) for s in sizes]))

    def _sum(self, strides: Sequence[Dim], coordinates: Sequence[Index]) -> Index:
        index = self._index
        total: Index = 0
        for stride, coordinate in zip(strides, coordinates, strict=True):
            total = index.add(total, index.mul(coordinate, index.dim(stride)))
        return total


def _is_vector(access: Access) -> bool:
    return not access.n or access.n[-1] == 1


def _is_uniform(access: Access) -> bool:
    return all(stride == 0 for stride in access.n)
