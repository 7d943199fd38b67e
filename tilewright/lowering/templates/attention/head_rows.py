"""The rows of one head as f32: those of K in place where they follow each other in memory, else in a copy; those of V in panels."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.element_types import widened
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.views import times


class HeadRows:
    """`[keys][size]` in f32, row-major without gaps, of `flat` from `start(place)`."""

    def __init__(self, context: KernelContext, tensor: Strided, size: int) -> None:
        self.context, self.tensor, self.size = context, tensor, size
        self.source = context.inputs[tensor.buffer]
        self.in_place = tensor.dtype == "f32" and tensor.row == size and (tensor.column == 1 or size == 1)
        self.flat = self.source if self.in_place else context.region(times(context.problem.keys, size))

    def start(self, place: TilePlace) -> Index:
        """The offset of a head's first row in `flat`."""
        return self.source_start(place) if self.in_place else 0

    def source_start(self, place: TilePlace) -> Index:
        """The offset of a head's first row in the input."""
        index, tensor = self.context.index, self.tensor
        return index.add(index.mul(place.batch, index.dim(tensor.batch)), index.mul(place.kv_head, index.dim(tensor.head)))

    def copy(self, place: TilePlace) -> None:
        """Copy the rows of a head, unless they are read in place."""
        if self.in_place:
            return
        index, lanes, tensor, size = self.context.index, self.context.rows.lanes, self.tensor, self.size
        base, row_stride, column_stride = self.source_start(place), index.dim(tensor.row), index.dim(tensor.column)
        whole = size // lanes * lanes if column_stride == 1 else 0

        def row(number: ir.Value, _: list[ir.Value]) -> None:
            start, to = index.add(base, index.mul(number, row_stride)), index.mul(number, size)
            for column in range(0, whole, lanes):
                self.flat.store_vector(widened(self.source.load_vector(index.add(start, column), lanes)), index.add(to, column))
            if whole != size:

                def element(column: ir.Value, _: list[ir.Value]) -> None:
                    scalar = self.source.load(index.add(start, index.mul(column, column_stride)))
                    self.flat.store(widened(scalar), index.add(to, column))

                for_loop(index, whole, size, 1, element)

        for_loop(index, 0, self.context.all_keys, 1, row)


class ValuePanels:
    """The rows of V, side by side in panels of `width` dimensions: `[panels][keys][width]` of `flat`. The last panel may be narrower.

    Multiplications in order then read neighbours. Read in place, the few elements of each row would meet in few sets of the first-level
    cache. Where only a few tiles of queries share a head, its rows are read in place all the same.
    """

    _KEYS = 16
    """Keys that go into all panels before the next ones do, while their rows are in the cache."""
    _FEW_TILES = 4
    """So many tiles of queries do not repay a copy."""

    def __init__(self, context: KernelContext, width: int) -> None:
        self.context, self.width = context, width
        self.tensor, self.size = context.problem.v, context.problem.value_size
        self.source = context.inputs[self.tensor.buffer]
        self.flat = context.region(times(context.problem.keys, self.size))
        self.in_place: ir.Value | None = None
        if self.tensor.dtype == "f32" and self.tensor.column == 1:
            self.in_place = context.index.compare("le", context.rows.count(), self._FEW_TILES * context.rows.tile)

    def read(self, place: TilePlace, column: Index, key: Index, width: int) -> tuple[Flat, Index, Index]:
        """Where the dimensions from `column`, which begin a panel of `width`, of a key are: buffer, offset, and how far the next key is."""
        index = self.context.index
        start = self._start_in_panel(column, key, width)
        if self.in_place is None:
            return self.flat, start, width
        in_row = index.add(index.add(self._head_start(place), column), index.mul(key, index.dim(self.tensor.row)))
        flat = Flat(arith.select(self.in_place, self.source.memref, self.flat.memref), "f32", index)
        return flat, index.select(self.in_place, in_row, start), index.select(self.in_place, index.dim(self.tensor.row), width)

    def _start_in_panel(self, column: Index, key: Index, width: int) -> Index:
        index = self.context.index
        return index.add(index.mul(column, self.context.all_keys), index.mul(key, width))

    def _head_start(self, place: TilePlace) -> Index:
        index, tensor = self.context.index, self.tensor
        return index.add(index.mul(place.batch, index.dim(tensor.batch)), index.mul(place.kv_head, index.dim(tensor.head)))

    def copy(self, place: TilePlace) -> None:
        """Copy the rows of a head, unless they are read in place."""
        if self.in_place is None:
            self._copy(place)
        else:
            if_else(self.in_place, lambda: None, lambda: self._copy(place))

    def _copy(self, place: TilePlace) -> None:
        index, base = self.context.index, self._head_start(place)

        def some_keys(first: ir.Value, _: list[ir.Value]) -> None:
            end = index.min(index.add(first, self._KEYS), self.context.all_keys)
            whole = self.size // self.width * self.width
            if whole:
                for_loop(index, 0, whole, self.width, lambda column, _: self._panel(base, column, first, end, self.width))
            if whole != self.size:
                self._panel(base, whole, first, end, self.size - whole)

        for_loop(index, 0, self.context.all_keys, self._KEYS, some_keys)

    def _panel(self, base: Index, column: Index, first: Index, end: Index, width: int) -> None:
        """Copy `width` dimensions from `column` of the keys `first <= key < end`."""
        index, tensor = self.context.index, self.tensor
        column_stride = index.dim(tensor.column)
        step = min(width, self.context.rows.lanes)
        vectors = column_stride == 1 and width % step == 0

        def row(key: ir.Value, _: list[ir.Value]) -> None:
            source = index.add(index.add(base, index.mul(key, index.dim(tensor.row))), index.mul(column, column_stride))
            target = self._start_in_panel(column, key, width)
            for i in range(0, width, step if vectors else 1):
                if vectors:
                    self.flat.store_vector(widened(self.source.load_vector(index.add(source, i), step)), index.add(target, i))
                else:
                    self.flat.store(widened(self.source.load(index.add(source, index.mul(i, column_stride)))), index.add(target, i))

        for_loop(index, first, end, 1, row)
