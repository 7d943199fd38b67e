"""Seam 2, the operand loaders: where the micro-kernel's right vectors come from, one panel of columns at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir, vector
from tilewright.lowering.templates.control import Values, for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.memory import Scratch, scratch_view
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.views import times


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
        if not (isinstance(problem.n, int) and problem.n % self.nr == 0):
            at = index.min(at, index.sub(index.dim(problem.n), 1))
        return context.step_offset(problem.rhs.n, problem.n_steps, at)

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


def select_rhs_loader(context: LoaderContext, scratch: Scratch, nr: int) -> RhsLoader:
    """Panels of the compiler; else in place where columns are neighbours and whole panels divide them; else packed at run time."""
    problem = context.problem
    if problem.packed is not None:
        return RhsPanels(context, nr)
    whole_panels = isinstance(problem.n, int) and problem.n % nr == 0
    if problem.rhs.n == (1,) and len(problem.rhs.k) <= 1 and whole_panels:
        return RhsInPlace(context, nr)
    return RhsCopied(context, nr, scratch)
