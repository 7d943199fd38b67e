"""Masks: numbers that are added to scores, and the keys that they leave to be computed."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.element_types import widened
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.products.base import KeyBlock
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.score_tensors import ScoreTensor
from tilewright.lowering.templates.attention.softmax import INVISIBLE, LOG2_E, LOWEST_MASK, NOTHING_SEEN
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.vector_region import as_type

_NO_KEY = 1 << 30
_ABSORBS = 0.5 * LOWEST_MASK
"""Beside a score above it, one that carries `LOWEST_MASK` has a probability of exactly 0."""


def as_addend(mask: ir.Value) -> ir.Value:
    """Mask elements, `i1`, f32, f16 or bf16, scalar or vector, as what is added to a score, in units of log2."""
    lanes = Lanes(as_type(mask, ir.F32Type.get()))
    if mask.type == lanes.i1:
        return lanes.select(mask, lanes.constant(0.0), lanes.constant(INVISIBLE))
    mask = widened(mask)
    hidden = lanes.compare("oeq", mask, float("-inf"))
    return lanes.select(hidden, lanes.constant(INVISIBLE), lanes.max(LOWEST_MASK, lanes.mul(mask, LOG2_E)))


@dataclass(frozen=True)
class KeyRange:
    """The keys `first <= key < end`."""

    first: Index
    end: Index


class Mask:
    """The mask of a kernel. Keys at the ends that it hides from all queries, and blocks that it hides from a tile, are skipped.

    A very negative number, like the lowest f32, hides a key too, but only beside one that it does not hide: a softmax of nothing but such
    keys is that of their scores. `alone`: nothing but positions hides keys beside the mask.
    """

    def __init__(self, context: KernelContext, mask: Strided, alone: bool) -> None:
        self.context = context
        self.addends = ScoreTensor(context, mask, as_addend)
        self.alone = alone
        self.shared = self.addends.by_key and not self.addends.by_lane
        self.ranges = context.region(4, "i32") if self.shared else None

    def begin_head(self, place: TilePlace) -> None:
        """Prepare what the tiles of a head share."""
        self.addends.begin_head(place)
        addends = self.addends.converted
        if self.ranges is None or addends is None:
            return
        index, lanes = self.context.index, self.context.lanes
        i32, count = ir.IntegerType.get_signless(32), lanes.width
        numbers = ir.DenseElementsAttr.get([ir.IntegerAttr.get(i32, lane) for lane in range(count)], lanes.i32)
        keys, hidden = self.context.all_keys, arith.constant(ir.F32Type.get(), INVISIBLE)
        # Lanes past the last key.
        for_loop(index, keys, index.round_up(keys, count), 1, lambda key, _: addends.store(hidden, key))
        order = arith.constant(lanes.i32, numbers)

        def look(key: ir.Value, found: list[ir.Value]) -> list[ir.Value]:
            number = arith.addi(vector.broadcast(lanes.i32, arith.index_cast(i32, key)), order)
            held = addends.load_vector(key, count)
            updated: list[ir.Value] = []
            for threshold, first, end in zip((NOTHING_SEEN, _ABSORBS), found[::2], found[1::2]):
                here = lanes.compare("ogt", held, threshold)
                updated.append(arith.minsi(first, lanes.select(here, number, first)))
                updated.append(lanes.select(here, arith.addi(number, lanes.constant(1, lanes.i32)), end))
            return updated

        nothing = [lanes.constant(_NO_KEY, lanes.i32), lanes.constant(0, lanes.i32)] * 2
        found = for_loop(index, 0, keys, count, look, nothing)
        for number, value in enumerate(found):
            kind = ir.Attribute.parse(f"#vector.kind<{'maxsi' if number % 2 else 'minsi'}>")
            self.ranges.store(vector.ReductionOp(i32, kind, value).result, number)

    def narrow(self, keys: KeyRange, seen_by_first_row: Index) -> KeyRange:
        """Without keys at the ends that the mask hides from all queries; `seen_by_first_row` is the end of what the first row of the tile,
        and with it every later one, sees.
        """
        if self.ranges is None:
            return keys
        index = self.context.index
        first, end, certain_first, certain_end = (arith.index_cast(index.type, self.ranges.load(i)) for i in range(4))
        if self.alone:
            certain = index.compare("lt", certain_first, seen_by_first_row)
            first, end = arith.select(certain, certain_first, first), arith.select(certain, certain_end, end)
        return KeyRange(index.max(keys.first, first), index.min(keys.end, end))

    def begin_block(self, block: KeyBlock, maxima: list[ir.Value]) -> ir.Value | None:
        """Prepare a block. Returns whether it is to be computed at all (an i1), None for yes; `maxima` are the largest scores so far."""
        if not (self.addends.by_key and self.addends.by_lane):
            return None
        lanes = self.context.lanes
        largest = self.addends.begin_block(block, lanes.constant(INVISIBLE))
        assert largest is not None
        counts = lanes.any_lane(lanes.compare("ogt", largest, _ABSORBS))
        seen = lanes.any_lane(lanes.compare("ogt", largest, NOTHING_SEEN))
        for maximum in maxima:
            needed = arith.andi(seen, lanes.any_lane(lanes.compare("ule", maximum, _ABSORBS)))
            counts = arith.ori(counts, needed)
        return counts
