"""Tensors over `[batch, query head, query, key]` as scores meet them: an element for each key and lane.

What does not change with the key is read once per tile; what does not change with the lane, once per key; all else is transposed into
scratch, block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, vector
from tilewright.core.symbolic import ceildiv
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.element_types import widened
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.products.base import KeyBlock
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.vector_region import as_type
from tilewright.lowering.templates.views import times

_HELD = {"i1": "i32", "i8": "i32", "i16": "i32", "f16": "f32", "bf16": "f32"}
"""How elements are held while they are transposed: in words of 32 bits at least."""


def as_held(value: ir.Value, dtype: str) -> ir.Value:
    """A scalar or vector of `dtype` as it is held."""
    if dtype in ("f16", "bf16"):
        return widened(value)
    if dtype not in _HELD:
        return value
    kind = as_type(value, ir.IntegerType.get_signless(32))
    return arith.extui(kind, value) if dtype == "i1" else arith.extsi(kind, value)


def from_held(value: ir.Value, dtype: str) -> ir.Value:
    """A vector of `dtype` from how it is held. Narrow floats stay f32: regions compute with them so."""
    if dtype in ("i1", "i8", "i16"):
        return arith.trunci(as_type(value, ir.IntegerType.get_signless(int(dtype[1:]))), value)
    return value


class ScoreTensor:
    """`convert` makes of stored elements, scalars or vectors, what is held (`dtype`); None: they are held as `_HELD` says.

    A tensor that is converted, and the same for all lanes, is converted once per head.
    """

    def __init__(self, context: KernelContext, tensor: Strided, convert: Callable[[ir.Value], ir.Value] | None = None) -> None:
        self.context, self.tensor = context, tensor
        self.source = context.inputs[tensor.buffer]
        self.dtype = "f32" if convert is not None else tensor.dtype
        self.convert = convert or (lambda value: as_held(value, tensor.dtype))
        self.by_lane, self.by_key = context.problem.varies_by_lane(tensor), tensor.column != 0
        self.converted: Flat | None = None
        """`[keys]`, padded to whole vectors, where all lanes share converted elements; `[block][tile]` where each lane has its own."""
        if self.by_key and self.by_lane:
            self.converted = context.region(context.schedule.block * context.rows.tile, _HELD.get(self.dtype, self.dtype))
        elif self.by_key and convert is not None:
            lanes = context.rows.lanes
            self.converted = context.region(times(ceildiv(context.problem.keys, lanes), lanes))

    def begin_head(self, place: TilePlace) -> None:
        """Convert what the tiles of a head share."""
        if self.converted is None or self.by_lane:
            return
        index, lanes, target = self.context.index, self.context.rows.lanes, self.converted
        base, keys = self.context.rows.offset(self.tensor, place, 0), self.context.all_keys
        whole = index.mul(index.div(keys, lanes), lanes) if self.tensor.column == 1 else 0

        def block(key: ir.Value, _: list[ir.Value]) -> None:
            target.store_vector(self.convert(self.source.load_vector(index.add(base, key), lanes)), key)

        def element(key: ir.Value, _: list[ir.Value]) -> None:
            at = index.add(base, index.mul(key, index.dim(self.tensor.column)))
            target.store(self.convert(self.source.load(at)), key)

        if whole != 0:
            for_loop(index, 0, whole, lanes, block)
        for_loop(index, whole, keys, 1, element)

    def begin_tile(self, place: TilePlace) -> list[ir.Value]:
        """What does not change with the key, by vector; empty for what does."""
        if self.by_key:
            return []
        rows = self.context.rows
        held = [self.convert(rows.gather(self.source, self.tensor, place, part)) for part in range(self.context.vectors)]
        return [from_held(value, self.dtype) for value in held]

    def begin_block(self, block: KeyBlock, largest: ir.Value | None = None) -> ir.Value | None:
        """Transpose the elements of a block, where each key and lane has its own. `largest`, a vector of f32, takes them in."""
        if self.converted is None or not self.by_lane:
            return largest
        index, lanes, tile, tensor = self.context.index, self.context.rows.lanes, self.context.rows.tile, self.tensor
        rows, target = self.context.rows, self.converted
        whole = index.mul(index.div(block.count, lanes), lanes) if tensor.column == 1 else 0
        maximum = self.context.lanes.max

        def part_of_tile(part: ir.Value, best: list[ir.Value]) -> list[ir.Value]:
            first = index.mul(part, lanes)
            starts = [rows.offset(tensor, block.place, index.add(first, lane)) for lane in range(lanes)]

            def many(key: ir.Value, best: list[ir.Value]) -> list[ir.Value]:
                at = index.add(block.first, key)
                loaded = [self.convert(self.source.load_vector(index.add(start, at), lanes)) for start in starts]
                for step, values in enumerate(transpose_block(loaded)):
                    target.store_vector(values, index.add(index.mul(index.add(key, step), tile), first))
                while len(loaded) > 1 and best:
                    loaded = [maximum(a, b) for a, b in zip(loaded[::2], loaded[1::2])]
                return [maximum(loaded[0], value) for value in best]

            def one(key: ir.Value, best: list[ir.Value]) -> list[ir.Value]:
                at = index.mul(index.add(block.first, key), index.dim(tensor.column))
                scalars = [self.convert(self.source.load(index.add(start, at))) for start in starts]
                values = vector.from_elements(ir.VectorType.get([lanes], target.logical), scalars)
                target.store_vector(values, index.add(index.mul(key, tile), first))
                return [maximum(values, value) for value in best]

            if whole != 0:
                best = for_loop(index, 0, whole, lanes, many, best)
            return for_loop(index, whole, block.count, 1, one, best)

        carried = [] if largest is None else [largest]
        return next(iter(for_loop(index, 0, rows.vectors, 1, part_of_tile, carried)), None)

    def of_key(self, block: KeyBlock, key: Index, prepared: Sequence[ir.Value]) -> list[ir.Value]:
        """The elements for one key, by vector; `prepared` is what `begin_tile` returned."""
        if prepared:
            return list(prepared)
        context, index = self.context, self.context.index
        if self.converted is not None and self.by_lane:
            row = index.sub(key, block.first)
            held = [self.converted.load_vector(context.at(row, part), context.rows.lanes) for part in range(context.vectors)]
            return [from_held(value, self.dtype) for value in held]
        if self.converted is not None:
            scalar = self.converted.load(key)
        else:
            start = context.rows.offset(self.tensor, block.place, 0)
            scalar = self.source.load(index.add(start, index.mul(key, index.dim(self.tensor.column))))
        return [vector.broadcast(ir.VectorType.get([context.rows.lanes], scalar.type), scalar)] * context.vectors
