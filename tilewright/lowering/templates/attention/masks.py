"""Masks as numbers that are added to scores: one per key where all queries share them, else one per key and lane."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.element_types import widened
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.rows import QueryRows, TilePlace
from tilewright.lowering.templates.attention.softmax import INVISIBLE, LOG2_E, LOWEST_MASK
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.transpose import transpose_block
from tilewright.lowering.templates.vector_region import as_type


def as_addend(mask: ir.Value) -> ir.Value:
    """Mask elements, `i1`, f32, f16 or bf16, scalar or vector, as what is added to a score, in units of log2."""
    lanes = Lanes(as_type(mask, ir.F32Type.get()))
    if mask.type == lanes.i1:
        return lanes.select(mask, lanes.constant(0.0), lanes.constant(INVISIBLE))
    mask = widened(mask)
    hidden = lanes.compare("oeq", mask, float("-inf"))
    return lanes.select(hidden, lanes.constant(INVISIBLE), lanes.max(LOWEST_MASK, lanes.mul(mask, LOG2_E)))


@dataclass(frozen=True)
class MaskTiles:
    """Prepares addends in scratch for one block of keys."""

    mask: Strided
    source: Flat
    rows: QueryRows
    keys: Index

    def prepare_shared(self, target: Flat, place: TilePlace) -> None:
        """One addend per key, for all keys: `[keys]`."""
        index, lanes, mask = self.rows.index, self.rows.lanes, self.mask
        base = index.mul(place.batch, index.dim(mask.batch))
        # Of a group's heads the first stands for all: a mask that differs between them varies by lane.
        head = index.mul(place.kv_head, self.rows.problem.group)
        base = index.add(base, index.mul(head, index.dim(mask.head)))
        whole = index.mul(index.div(self.keys, lanes), lanes) if mask.column == 1 else 0

        def block(key: ir.Value, _: list[ir.Value]) -> None:
            target.store_vector(as_addend(self.source.load_vector(index.add(base, key), lanes)), key)

        def element(key: ir.Value, _: list[ir.Value]) -> None:
            at = index.add(base, index.mul(key, index.dim(mask.column)))
            target.store(as_addend(self.source.load(at)), key)

        if whole != 0:
            for_loop(index, 0, whole, lanes, block)
        for_loop(index, whole, self.keys, 1, element)

    def prepare_lanes(self, target: Flat, place: TilePlace, first_key: Index, count: Index) -> None:
        """One addend per key and lane for `count` keys from `first_key`: `[count][tile]`."""
        index, lanes, mask, tile = self.rows.index, self.rows.lanes, self.mask, self.rows.tile
        whole = index.mul(index.div(count, lanes), lanes) if mask.column == 1 else 0

        def part_of_tile(part: ir.Value, _: list[ir.Value]) -> None:
            first = index.mul(part, lanes)
            starts = [self.rows.offset(mask, place, index.add(first, lane)) for lane in range(lanes)]

            def block(key: ir.Value, _: list[ir.Value]) -> None:
                at = index.add(first_key, key)
                loaded = [as_addend(self.source.load_vector(index.add(start, at), lanes)) for start in starts]
                for step, values in enumerate(transpose_block(loaded)):
                    target.store_vector(values, index.add(index.mul(index.add(key, step), tile), first))

            def element(key: ir.Value, _: list[ir.Value]) -> None:
                at = index.mul(index.add(first_key, key), index.dim(mask.column))
                scalars = [as_addend(self.source.load(index.add(start, at))) for start in starts]
                values = vector.from_elements(ir.VectorType.get([lanes], ir.F32Type.get()), scalars)
                target.store_vector(values, index.add(index.mul(key, tile), first))

            if whole != 0:
                for_loop(index, 0, whole, lanes, block)
            for_loop(index, whole, count, 1, element)

        for_loop(index, 0, self.rows.vectors, 1, part_of_tile)
