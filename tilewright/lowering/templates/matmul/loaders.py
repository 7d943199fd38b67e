"""Seam 2, the operand loaders: where the micro-kernel's left elements and right vectors come from.

A loader is bound to one kernel. `begin` is called at the start of each unit of work and prepares what the unit needs (a packing
loader copies there, unless the previous unit left the same block); the micro-kernel then asks for elements.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import ir, vector
from tilewright.core.symbolic import Dim, ceildiv
from tilewright.lowering.templates.control import Values, for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.problem import MatmulProblem
from tilewright.lowering.templates.memory import Flat, Scratch, scratch_view
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.views import times

ROW_PADDING = 16
"""Elements added to the length of copied rows: rows a power of two apart would share cache sets."""


@dataclass(frozen=True)
class LoaderContext:
    """What every loader needs: the problem, index arithmetic, the source buffer and this thread's scratch."""

    problem: MatmulProblem
    index: IndexMath
    source: Flat
    scratch: ir.Value
    lanes: int

    def batch_offset(self, strides: Sequence[Dim], batch: Sequence[Index]) -> Index:
        """Elements from the start of a tensor to its part for this batch element."""
        total: Index = 0
        for stride, coordinate in zip(strides, batch):
            total = self.index.add(total, self.index.mul(coordinate, self.index.dim(stride)))
        return total

    def step_offset(self, strides: Sequence[Dim], sizes: Sequence[Dim], position: Index) -> Index:
        """The offset of linear `position` along a dimension that is split into steps."""
        if len(sizes) == 1:
            return self.index.mul(position, self.index.dim(strides[0]))
        parts = self.index.delinearize(position, [self.index.dim(s) for s in sizes])
        return self.batch_offset(strides, parts)


class LhsLoader(ABC):
    """Left elements by row and k. A row is named by a base offset, computed once per tile."""

    def __init__(self, context: LoaderContext) -> None:
        self.context = context
        self.flat = context.source

    def begin(self, batch: Sequence[Index], first_row: Index, end_row: Index, changed: ir.Value) -> None:
        """Prepare rows `first_row <= m < end_row`; `changed` is false where the previous unit had the same ones."""

    @abstractmethod
    def row_base(self, row: Index) -> Index:
        """The offset of element k = 0 of a row."""

    @abstractmethod
    def k_stride(self) -> Index:
        """Elements between neighbours along k."""


class LhsInPlace(LhsLoader):
    """Rows read where they are; k has a single stride."""

    def begin(self, batch: Sequence[Index], first_row: Index, end_row: Index, changed: ir.Value) -> None:
        self._offset = self.context.batch_offset(self.context.problem.lhs.batch, batch)

    def row_base(self, row: Index) -> Index:
        index = self.context.index
        return index.add(self._offset, index.mul(row, index.dim(self.context.problem.lhs.m)))

    def k_stride(self) -> Index:
        strides = self.context.problem.lhs.k
        return self.context.index.dim(strides[0]) if strides else 1


class LhsCopied(LhsLoader):
    """The rows of a unit copied to scratch, contiguous along k: for a left side that is transposed or split along k."""

    def __init__(self, context: LoaderContext, scratch: Scratch, block: int) -> None:
        super().__init__(context)
        self._block = block
        self._length: Dim = context.problem.k + ROW_PADDING
        self._region = scratch.reserve(times(block, self._length), "f32")

    def begin(self, batch: Sequence[Index], first_row: Index, end_row: Index, changed: ir.Value) -> None:
        context, index = self.context, self.context.index
        access = context.problem.lhs
        self.flat = scratch_view(context.scratch, self._region, "f32", index)
        self._first, self._row_length = first_row, index.dim(self._length)
        start = index.add(context.batch_offset(access.batch, batch), index.mul(first_row, index.dim(access.m)))

        def copy() -> None:
            rows = index.sub(end_row, first_row)
            if access.m == 1:
                self._copy_columns(start, rows)
            else:
                self._copy_rows(start, rows)

        if_else(changed, copy)

    def row_base(self, row: Index) -> Index:
        index = self.context.index
        return index.mul(index.sub(row, self._first), self._row_length)

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
        lanes, sizes = context.lanes, context.problem.k_steps
        k_end = index.dim(context.problem.k)

        def offset(k: Index) -> Index:
            return index.add(start, context.step_offset(access.k, sizes, k))

        copy_transposed(context, offset, k_end, rows, self.flat, self._row_length, lanes)


class RhsLoader(ABC):
    """Right vectors by k and column, within one panel of `nr` columns."""

    def __init__(self, context: LoaderContext, nr: int) -> None:
        self.context = context
        self.nr = nr
        self.flat = context.source

    @abstractmethod
    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        """Prepare one panel."""

    @property
    @abstractmethod
    def base(self) -> Index:
        """The offset of element (k = 0, first column) of the panel."""

    @abstractmethod
    def k_stride(self) -> Index:
        """Elements between neighbours along k."""


class RhsPanels(RhsLoader):
    """Panels packed at compile time."""

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        index = self.context.index
        self._base = index.mul(panel, index.mul(index.dim(self.context.problem.k), self.nr))

    @property
    def base(self) -> Index:
        return self._base

    def k_stride(self) -> Index:
        return self.nr


class RhsInPlace(RhsLoader):
    """Rows of k read where they are: columns are neighbours and whole panels divide them."""

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        index, access = self.context.index, self.context.problem.rhs
        self._base = index.add(self.context.batch_offset(access.batch, batch), index.mul(panel, self.nr))

    @property
    def base(self) -> Index:
        return self._base

    def k_stride(self) -> Index:
        strides = self.context.problem.rhs.k
        return self.context.index.dim(strides[0]) if strides else 1


class RhsCopied(RhsLoader):
    """One panel packed at run time into scratch, `[k][nr]`. Columns past the end repeat the last one; they are never stored."""

    def __init__(self, context: LoaderContext, nr: int, scratch: Scratch) -> None:
        super().__init__(context, nr)
        self._region = scratch.reserve(times(context.problem.k, nr), "f32")

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        context, index = self.context, self.context.index
        self.flat = scratch_view(context.scratch, self._region, "f32", index)
        start = context.batch_offset(context.problem.rhs.batch, batch)
        first = index.mul(panel, self.nr)

        if context.problem.rhs.k == (1,):
            self._pack_transposed(start, first)
        else:
            self._pack_rows(start, first)

    @property
    def base(self) -> Index:
        return 0

    def k_stride(self) -> Index:
        return self.nr

    def _column(self, first: Index, column: Index) -> Index:
        """The offset of a column, clamped to the last one."""
        context, index, problem = self.context, self.context.index, self.context.problem
        at = index.add(first, column)
        if isinstance(problem.n, int) and problem.n % self.nr == 0:
            clamped = at
        else:
            clamped = index.min(at, index.sub(index.dim(problem.n), 1))
        return context.step_offset(problem.rhs.n, problem.n_steps, clamped)

    def _pack_transposed(self, start: Index, first: Index) -> None:
        """k is contiguous: blocks of `lanes` columns by `lanes` k are transposed in registers, the rest of k is copied by element."""
        context, index, lanes = self.context, self.context.index, self.context.lanes
        k_end = index.dim(context.problem.k)
        for part in range(0, self.nr, lanes):
            columns = [index.add(start, self._column(first, part + lane)) for lane in range(lanes)]
            whole = index.mul(index.div(k_end, lanes), lanes)

            def block(k: ir.Value, _: list[ir.Value], columns: list[Index] = columns, part: int = part) -> None:
                loaded = [context.source.load_vector(index.add(column, k), lanes) for column in columns]
                for step, row in enumerate(transpose_block(loaded)):
                    self.flat.store_vector(row, index.add(index.mul(index.add(k, step), self.nr), part))

            def edge(k: ir.Value, _: list[ir.Value], columns: list[Index] = columns, part: int = part) -> None:
                scalars = [context.source.load(index.add(column, k)) for column in columns]
                held = ir.VectorType.get([lanes], context.source.storage)
                self.flat.store_vector(vector.from_elements(held, scalars), index.add(index.mul(k, self.nr), part))

            for_loop(index, 0, whole, lanes, block)
            if whole != k_end:
                for_loop(index, whole, k_end, 1, edge)

    def _pack_rows(self, start: Index, first: Index) -> None:
        """Copy row by row of k. Full vectors where columns are neighbours, else element by element."""
        context, index, lanes, problem = self.context, self.context.index, self.context.lanes, self.context.problem
        contiguous = problem.rhs.n == (1,)

        def by_element(k: ir.Value, _: list[ir.Value]) -> None:
            row = index.add(start, context.step_offset(problem.rhs.k, problem.k_steps, k))

            def element(column: ir.Value, _: list[ir.Value]) -> None:
                value = context.source.load(index.add(row, self._column(first, column)))
                self.flat.store(value, index.add(index.mul(k, self.nr), column))

            for_loop(index, 0, self.nr, 1, element)

        def by_vector(k: ir.Value, _: list[ir.Value]) -> None:
            row = index.add(index.add(start, context.step_offset(problem.rhs.k, problem.k_steps, k)), first)
            for part in range(0, self.nr, lanes):
                self.flat.store_vector(context.source.load_vector(index.add(row, part), lanes), index.add(index.mul(k, self.nr), part))

        k_end = index.dim(problem.k)

        def loop(body: Callable[[ir.Value, list[ir.Value]], None]) -> Callable[[], Values]:
            return lambda: for_loop(index, 0, k_end, 1, body)

        if not contiguous:
            loop(by_element)()
        elif isinstance(problem.n, int) and problem.n % self.nr == 0:
            loop(by_vector)()
        else:
            whole = index.compare("le", index.add(first, self.nr), index.dim(problem.n))
            if_else(whole, loop(by_vector), loop(by_element))


def copy_steps(context: LoaderContext, source: Index, sizes: Sequence[Dim], strides: Sequence[Dim], to: Flat, target: Index) -> None:
    """Copy a dimension that is split into steps to contiguous memory: vectors along a contiguous innermost step, else elements."""
    index, lanes = context.index, context.lanes
    if not sizes:
        to.store(context.source.load(source), target)
        return
    if len(sizes) > 1:
        inner: Index = 1
        for size in sizes[1:]:
            inner = index.mul(inner, index.dim(size))

        def outer(step: ir.Value, _: list[ir.Value]) -> None:
            at = index.add(source, index.mul(step, index.dim(strides[0])))
            copy_steps(context, at, sizes[1:], strides[1:], to, index.add(target, index.mul(step, inner)))

        for_loop(index, 0, index.dim(sizes[0]), 1, outer)
        return
    size, stride = index.dim(sizes[0]), index.dim(strides[0])
    whole = index.mul(index.div(size, lanes), lanes) if stride == 1 else 0

    def vectors(k: ir.Value, _: list[ir.Value]) -> None:
        to.store_vector(context.source.load_vector(index.add(source, k), lanes), index.add(target, k))

    def elements(k: ir.Value, _: list[ir.Value]) -> None:
        to.store(context.source.load(index.add(source, index.mul(k, stride))), index.add(target, k))

    if whole != 0:
        for_loop(index, 0, whole, lanes, vectors)
    if whole != size:
        for_loop(index, whole, size, 1, elements)


def copy_transposed(
    context: LoaderContext, offset: Callable[[Index], Index], k_end: Index, rows: Index, to: Flat, row_length: Index, lanes: int
) -> None:
    """Copy `to[row, k] = source[offset(k) + row]` by blocks transposed in registers."""
    index = context.index
    whole_k = index.mul(index.div(k_end, lanes), lanes)
    whole_rows = index.mul(index.div(rows, lanes), lanes)

    def by_element(row_start: Index, row_end: Index, k: Index) -> None:
        at = offset(k)

        def element(row: ir.Value, _: list[ir.Value]) -> None:
            to.store(context.source.load(index.add(at, row)), index.add(index.mul(row, row_length), k))

        for_loop(index, row_start, row_end, 1, element)

    def block_of_k(k: ir.Value, _: list[ir.Value]) -> None:
        columns = [offset(index.add(k, step)) for step in range(lanes)]

        def block(row: ir.Value, _: list[ir.Value]) -> None:
            loaded = [context.source.load_vector(index.add(column, row), lanes) for column in columns]
            for step, value in enumerate(transpose_block(loaded)):
                to.store_vector(value, index.add(index.mul(index.add(row, step), row_length), k))

        for_loop(index, 0, whole_rows, lanes, block)
        for_loop(index, 0, lanes, 1, lambda step, _: by_element(whole_rows, rows, index.add(k, step)))

    for_loop(index, 0, whole_k, lanes, block_of_k)
    for_loop(index, whole_k, k_end, 1, lambda k, _: by_element(0, rows, k))


def select_lhs_loader(context: LoaderContext, scratch: Scratch, block: int) -> LhsLoader:
    """In place where k has one stride and is contiguous (or rows are too few to matter), else copied once per block of rows."""
    k_strides = context.problem.lhs.k
    if len(k_strides) <= 1 and (not k_strides or k_strides[0] in (0, 1)):
        return LhsInPlace(context)
    return LhsCopied(context, scratch, block)


def select_rhs_loader(context: LoaderContext, scratch: Scratch, nr: int) -> RhsLoader:
    """Panels of the compiler; else in place where columns are neighbours and whole panels divide them; else packed at run time."""
    problem = context.problem
    if problem.packed is not None:
        return RhsPanels(context, nr)
    whole_panels = isinstance(problem.n, int) and problem.n % nr == 0
    if problem.rhs.n == (1,) and len(problem.rhs.k) <= 1 and whole_panels:
        return RhsInPlace(context, nr)
    return RhsCopied(context, nr, scratch)


def panels_of(problem: MatmulProblem, nr: int) -> Dim:
    """How many panels of `nr` columns the right side has."""
    return ceildiv(problem.n, nr)
