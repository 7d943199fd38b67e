"""Seam 2, the operand loaders: where the micro-kernel's right vectors come from, one panel of columns at a time.

A panel holds groups of `group` neighbours along k: `[k / group][nr][group]`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir, vector
from tilewright.core.symbolic import ceildiv
from tilewright.lowering.templates.control import Values, for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.matmul.problem import Columns, Rhs
from tilewright.lowering.templates.memory import Scratch, scratch_view
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.views import times


class RhsLoader(ABC):
    """Right vectors by k and column, within one panel of `nr` columns."""

    def __init__(self, context: LoaderContext, rhs: Rhs, columns: Columns, nr: int, group: int) -> None:
        self.context = context
        self.rhs = rhs
        self.columns = columns
        self.nr = nr
        self.group = group
        self.flat = context.source

    @abstractmethod
    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        """Prepare one panel."""

    @property
    @abstractmethod
    def base(self) -> Index:
        """The offset of element (k = 0, first column) of the panel."""

    @abstractmethod
    def group_stride(self) -> Index:
        """Elements between neighbouring groups along k."""


class RhsPanels(RhsLoader):
    """Panels packed at compile time."""

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        index = self.context.index
        groups = index.dim(ceildiv(self.context.problem.k, self.group))
        self._base = index.mul(panel, index.mul(groups, self.nr * self.group))

    @property
    def base(self) -> Index:
        return self._base

    def group_stride(self) -> Index:
        return self.nr * self.group


class RhsInPlace(RhsLoader):
    """Rows of k read where they are: columns are neighbours and whole panels divide them."""

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        index, access = self.context.index, self.rhs.access
        self._base = index.add(self.context.batch_offset(access.batch, batch), index.mul(panel, self.nr))

    @property
    def base(self) -> Index:
        return self._base

    def group_stride(self) -> Index:
        strides = self.rhs.access.k
        return self.context.index.dim(strides[0]) if strides else 1


class RhsCopied(RhsLoader):
    """One panel packed at run time into scratch, `[k][nr]`. Columns past the end repeat the last one; they are never stored."""

    def __init__(self, context: LoaderContext, rhs: Rhs, columns: Columns, nr: int, group: int, scratch: Scratch) -> None:
        super().__init__(context, rhs, columns, nr, group)
        self._region = scratch.reserve(times(context.problem.k, nr), context.conversion.storage)

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        context, index = self.context, self.context.index
        self.flat = scratch_view(context.scratch, self._region, context.conversion.storage, index)
        start = context.batch_offset(self.rhs.access.batch, batch)
        first = index.mul(panel, self.nr)

        if self.rhs.access.k == (1,):
            self._pack_transposed(start, first)
        else:
            self._pack_rows(start, first)

    @property
    def base(self) -> Index:
        return 0

    def group_stride(self) -> Index:
        return self.nr * self.group

    def _column(self, first: Index, column: Index) -> Index:
        """The offset of a column, clamped to the last one."""
        context, index, columns = self.context, self.context.index, self.columns
        at = index.add(first, column)
        if not (isinstance(columns.n, int) and columns.n % self.nr == 0):
            at = index.min(at, index.sub(index.dim(columns.n), 1))
        return context.step_offset(self.rhs.access.n, columns.n_steps, at)

    def _pack_transposed(self, start: Index, first: Index) -> None:
        """k is contiguous: blocks of `lanes` columns by `lanes` k are transposed in registers, the rest of k is copied by element."""
        context, index, lanes = self.context, self.context.index, self.context.lanes
        k_end = index.dim(context.problem.k)
        for part in range(0, self.nr, lanes):
            columns = [index.add(start, self._column(first, part + lane)) for lane in range(lanes)]
            whole = index.mul(index.div(k_end, lanes), lanes)

            def block(k: ir.Value, _: list[ir.Value], columns: list[Index] = columns, part: int = part) -> None:
                loaded = [context.load_vector(index.add(column, k)) for column in columns]
                for step, row in enumerate(transpose_block(loaded)):
                    self.flat.store_vector(row, index.add(index.mul(index.add(k, step), self.nr), part))

            def edge(k: ir.Value, _: list[ir.Value], columns: list[Index] = columns, part: int = part) -> None:
                scalars = [context.load(index.add(column, k)) for column in columns]
                held = ir.VectorType.get([lanes], self.flat.storage)
                self.flat.store_vector(vector.from_elements(held, scalars), index.add(index.mul(k, self.nr), part))

            for_loop(index, 0, whole, lanes, block)
            if whole != k_end:
                for_loop(index, whole, k_end, 1, edge)

    def _pack_rows(self, start: Index, first: Index) -> None:
        """Copy row by row of k. Full vectors where columns are neighbours, else element by element."""
        context, index, lanes, access, n = self.context, self.context.index, self.context.lanes, self.rhs.access, self.columns.n
        k_steps = context.problem.k_steps

        def by_element(k: ir.Value, _: list[ir.Value]) -> None:
            row = index.add(start, context.step_offset(access.k, k_steps, k))

            def element(column: ir.Value, _: list[ir.Value]) -> None:
                value = context.load(index.add(row, self._column(first, column)))
                self.flat.store(value, index.add(index.mul(k, self.nr), column))

            for_loop(index, 0, self.nr, 1, element)

        def by_vector(k: ir.Value, _: list[ir.Value]) -> None:
            row = index.add(index.add(start, context.step_offset(access.k, k_steps, k)), first)
            for part in range(0, self.nr, lanes):
                self.flat.store_vector(context.load_vector(index.add(row, part)), index.add(index.mul(k, self.nr), part))

        k_end = index.dim(context.problem.k)

        def loop(body: Callable[[ir.Value, list[ir.Value]], None]) -> Callable[[], Values]:
            return lambda: for_loop(index, 0, k_end, 1, body)

        if access.n != (1,):
            loop(by_element)()
        elif isinstance(n, int) and n % self.nr == 0:
            loop(by_vector)()
        else:
            whole = index.compare("le", index.add(first, self.nr), index.dim(n))
            if_else(whole, loop(by_vector), loop(by_element))


def select_rhs_loader(context: LoaderContext, rhs: Rhs, columns: Columns, scratch: Scratch, nr: int, group: int) -> RhsLoader:
    """Panels of the compiler; else in place where columns are neighbours and whole panels divide them; else packed at run time."""
    if rhs.packed is not None:
        return RhsPanels(context, rhs, columns, nr, group)
    whole_panels = isinstance(columns.n, int) and columns.n % nr == 0
    in_place = group == 1 and context.conversion.is_identity and rhs.access.n == (1,) and len(rhs.access.k) <= 1
    if in_place and whole_panels:
        return RhsInPlace(context, rhs, columns, nr, group)
    return RhsCopied(context, rhs, columns, nr, group, scratch)
