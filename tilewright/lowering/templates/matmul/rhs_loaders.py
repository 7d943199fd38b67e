"""Seam 2, the operand loaders: where the micro-kernel's right vectors come from, one panel of columns at a time.

A panel holds groups of `group` neighbours along k: `[k / group][nr][group]`. `rhs_copied` packs panels when the kernel runs.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tilewright.core.symbolic import ceildiv
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.matmul.problem import Columns, Rhs
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul_instructions import OperandLayout


class RhsLoader(ABC):
    """Right vectors by k and column, within one panel of `nr` columns."""

    keeps_panels: bool = False
    """Whether all panels lie in memory, each in one piece."""

    def __init__(self, context: LoaderContext, rhs: Rhs, columns: Columns, nr: int, layout: OperandLayout) -> None:
        self.context = context
        self.rhs = rhs
        self.columns = columns
        self.nr = nr
        self.layout = layout
        self.flat = context.source

    def use(self, source: Flat) -> None:
        """Read another buffer from here on, which lies like the one before."""
        self.context = dataclasses.replace(self.context, source=source)
        self.flat = source

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

    def panel_offset(self, panel: Index) -> Index:
        """The offset of a panel, where all of them lie in memory."""
        raise NotImplementedError(f"{type(self).__name__} does not keep its panels")

    def sums(self) -> Index:
        """The offset of the sums of the panel's columns, `nr` of i32, where the layout has an `lhs_offset`."""
        return self.context.index.add(self.base, self.context.index.mul(self.groups(), self.nr * self.layout.group))

    def groups(self) -> Index:
        """Groups along k."""
        return self.context.index.dim(ceildiv(self.context.problem.k, self.layout.group))


class RhsPanels(RhsLoader):
    """Panels packed at compile time, or the rows of one slice in each."""

    keeps_panels = True

    def begin(self, batch: Sequence[Index], panel: Index) -> None:
        self._slice = self.context.batch_offset(self.rhs.access.batch, batch)
        self._base = self.panel_offset(panel)

    def panel_offset(self, panel: Index) -> Index:
        index, packed = self.context.index, self.rhs.packed
        assert packed is not None
        stored = index.add(index.dim(ceildiv(packed.k, self.layout.group)), 1 if self.layout.lhs_offset else 0)
        return index.add(self._slice, index.mul(panel, index.mul(stored, self.nr * self.layout.group)))

    @property
    def base(self) -> Index:
        return self._base

    def group_stride(self) -> Index:
        return self.nr * self.layout.group


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
