"""The rows of K or V of one head: in place where they are f32 and follow each other in memory, else in a copy."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.element_types import widened
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index
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
