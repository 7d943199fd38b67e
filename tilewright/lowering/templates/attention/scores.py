"""From raw scores to those that the softmax reads: scaled, modified, masked. The one place between the first product and the maximum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.masks import MaskTiles
from tilewright.lowering.templates.attention.products.base import KeyBlock
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.softmax import LOG2_E
from tilewright.lowering.templates.attention.visibility import Visibility, VisibleKeys
from tilewright.lowering.templates.control import if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class ScoreStage:
    """Finished scores are in units of log2: a probability is `2^(score - maximum)`, before it is divided by the sum.

    `addends` is scratch for masks, see `masks`.
    """

    context: KernelContext
    visibility: Visibility
    masks: MaskTiles | None = None
    addends: Flat | None = None

    @property
    def query_scale(self) -> float:
        """What raw scores are to be multiplied with, in front of all else: by the products, or by `finish`."""
        return self.context.problem.scale * LOG2_E

    def begin_head(self, place: TilePlace) -> None:
        """Prepare what the tiles of a head share."""
        if self.masks is not None and self.addends is not None and not self.context.problem.mask_varies_by_lane:
            self.masks.prepare_shared(self.addends, place)

    def begin_block(self, block: KeyBlock) -> None:
        """Prepare what a block of keys needs, before its scores."""
        if self.masks is not None and self.addends is not None and self.context.problem.mask_varies_by_lane:
            self.masks.prepare_lanes(self.addends, block.place, block.first, block.count)

    def finish(
        self,
        block: KeyBlock,
        visible: VisibleKeys,
        remaining_scale: float,
        tile: Sequence[ir.Value],
        keys: Sequence[Index],
        best: Sequence[ir.Value],
    ) -> tuple[list[ir.Value], list[ir.Value]]:
        """Scores of a tile, `tile[key][vector]`, and the largest of them and `best` by vector. See `products.base.FinishScores`."""
        lanes, vectors = self.context.lanes, self.context.vectors
        finished = list(tile)
        if remaining_scale != 1.0:
            finished = [lanes.mul(value, remaining_scale) for value in finished]
        if self.addends is not None:
            finished = self._add_masks(self.addends, finished, keys, block.first)
        all_see = self.visibility.all_see(keys, visible)
        if all_see is not None:
            raw = finished
            finished = if_else(all_see, lambda: raw, lambda: self.visibility.hide(raw, keys, visible), [v.type for v in raw])
        largest = list(best)
        for i, value in enumerate(finished):
            largest[i % vectors] = lanes.max(largest[i % vectors], value)
        return finished, largest

    def _add_masks(self, addends: Flat, tile: list[ir.Value], keys: Sequence[Index], first_key: Index) -> list[ir.Value]:
        context, index = self.context, self.context.index
        masked: list[ir.Value] = []
        for i, value in enumerate(tile):
            row, part = divmod(i, context.vectors)
            if context.problem.mask_varies_by_lane:
                addend = addends.load_vector(context.at(index.sub(keys[row], first_key), part), context.rows.lanes)
            else:
                addend = vector.broadcast(value.type, addends.load(keys[row]))
            masked.append(arith.addf(value, addend))
        return masked
