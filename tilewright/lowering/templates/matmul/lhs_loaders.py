"""Seam 2, the operand loaders: where the micro-kernel's left elements come from.

`begin` is called at the start of each unit of work and prepares what the unit needs; the micro-kernel then asks for elements.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import ceildiv
from tilewright.dialects.tw.types import BYTES
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.copies import copy_steps, copy_transposed
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.memory import Scratch, scratch_view
from tilewright.lowering.templates.views import times

ROW_PADDING = 64
"""Bytes added to the length of copied rows: rows a power of two apart would share cache sets."""


class LhsLoader(ABC):
    """Left elements by row and k. A row is named by a base offset, computed once per tile."""

    def __init__(self, context: LoaderContext) -> None:
        self.context = context
        self.flat = context.source

    @abstractmethod
    def begin(self, batch: Sequence[Index], first_row: Index, end_row: Index, changed: ir.Value) -> None:
        """Prepare rows `first_row <= m < end_row`; `changed` is false where the previous unit had the same ones."""

    @abstractmethod
    def row_base(self, row: Index) -> Index:
        """The offset of element k = 0 of a row."""

    @abstractmethod
    def row_stride(self) -> Index:
        """Elements between neighbouring rows."""

    @abstractmethod
    def k_stride(self) -> Index:
        """Elements between neighbours along k."""


class LhsInPlace(LhsLoader):
    """Rows read where they are; k has a single stride."""

    def begin(self, batch: Sequence[Index], first_row: Index, end_row: Index, changed: ir.Value) -> None:
        self._offset = self.context.batch_offset(self.context.problem.lhs.batch, batch)

    def row_base(self, row: Index) -> Index:
        index = self.context.index
        return index.add(self._offset, index.mul(row, self.row_stride()))

    def row_stride(self) -> Index:
        return self.context.index.dim(self.context.problem.lhs.m)

    def k_stride(self) -> Index:
        strides = self.context.problem.lhs.k
        return self.context.index.dim(strides[0]) if strides else 1


class LhsCopied(LhsLoader):
    """The rows of a unit copied to scratch, contiguous along k, converted, and padded with zeros to a multiple of `k_multiple`: for a
    left side that is transposed, split along k, of another type in memory, or ragged where instructions read groups.
    """

    def __init__(self, context: LoaderContext, scratch: Scratch, block: int, k_multiple: int) -> None:
        super().__init__(context)
        self._padded = times(ceildiv(context.problem.k, k_multiple), k_multiple)
        self._length = self._padded + ROW_PADDING // BYTES[context.conversion.storage]
        rows = min(block, context.problem.m) if isinstance(context.problem.m, int) else block
        self._region = scratch.reserve(times(rows, self._length), context.conversion.storage)

    def begin(self, batch: Sequence[Index], first_row: Index, end_row: Index, changed: ir.Value) -> None:
        context, index = self.context, self.context.index
        access = context.problem.lhs
        self.flat = scratch_view(context.scratch, self._region, context.conversion.storage, index)
        self._first, self._row_length = first_row, index.dim(self._length)
        start = index.add(context.batch_offset(access.batch, batch), index.mul(first_row, index.dim(access.m)))

        def copy() -> None:
            rows = index.sub(end_row, first_row)
            if access.m == 1:
                self._copy_columns(start, rows)
            else:
                self._copy_rows(start, rows)
            self._pad(rows)

        if_else(changed, copy)

    def row_base(self, row: Index) -> Index:
        index = self.context.index
        return index.mul(index.sub(row, self._first), self._row_length)

    def row_stride(self) -> Index:
        return self._row_length

    def k_stride(self) -> Index:
        return 1

    def _copy_rows(self, start: Index, rows: Index) -> None:
        context, index, access = self.context, self.context.index, self.context.problem.lhs

        def copy_row(row: ir.Value, _: list[ir.Value]) -> None:
            source = index.add(start, index.mul(row, index.dim(access.m)))
            copy_steps(context, source, context.problem.k_steps, access.k, self.flat, index.mul(row, self._row_length))

        for_loop(index, 0, rows, 1, copy_row)

    def _copy_columns(self, start: Index, rows: Index) -> None:
        """Rows are neighbours in memory: read blocks of `lanes` k by `lanes` rows, transpose them in registers; edges by element."""
        context, index, access = self.context, self.context.index, self.context.problem.lhs
        sizes = context.problem.k_steps
        k_end = index.dim(context.problem.k)

        def offset(k: Index) -> Index:
            return index.add(start, context.step_offset(access.k, sizes, k))

        copy_transposed(context, offset, k_end, rows, self.flat, self._row_length)

    def _pad(self, rows: Index) -> None:
        """Zeros behind the end of each row."""
        index = self.context.index
        k, padded = index.dim(self.context.problem.k), index.dim(self._padded)
        if self._padded == self.context.problem.k:
            return
        zero = self.context.conversion.zero()

        def pad_row(row: ir.Value, _: list[ir.Value]) -> None:
            base = index.mul(row, self._row_length)
            for_loop(index, k, padded, 1, lambda at, _: self.flat.store(zero, index.add(base, at)))

        for_loop(index, 0, rows, 1, pad_row)


def select_lhs_loader(context: LoaderContext, scratch: Scratch, block: int, k_multiple: int, copy: bool) -> LhsLoader:
    """In place unless the schedule says `copy`, where k is contiguous, a multiple of `k_multiple` and of the type that is multiplied;
    else copied once per block of rows.
    """
    problem = context.problem
    k_strides = problem.lhs.k
    whole = k_multiple == 1 or (isinstance(problem.k, int) and problem.k % k_multiple == 0)
    if not copy and whole and context.conversion.is_identity and len(k_strides) <= 1 and (not k_strides or k_strides[0] in (0, 1)):
        return LhsInPlace(context)
    return LhsCopied(context, scratch, block, k_multiple)
