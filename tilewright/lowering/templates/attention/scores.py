"""From raw scores to those that the softmax reads: scaled, modified, masked. The one place between the first product and the maximum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tilewright.core.mlir import arith, ir
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.masks import KeyRange, Mask
from tilewright.lowering.templates.attention.products.base import KeyBlock
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.score_region import PreparedRegion, ScoreRegion
from tilewright.lowering.templates.attention.soft_cap import soft_capped
from tilewright.lowering.templates.attention.softmax import INVISIBLE, LOG2_E
from tilewright.lowering.templates.attention.visibility import Visibility, VisibleKeys
from tilewright.lowering.templates.control import if_else
from tilewright.lowering.templates.index_math import Index


@dataclass(frozen=True)
class TileScores:
    """What the scores of a tile need that no key changes: the keys that it may see, elements of the mask, and what the region reads."""

    visible: VisibleKeys
    mask: list[ir.Value]
    region: PreparedRegion | None


class ScoreStage:
    """Finished scores are in units of log2: a probability is `2^(score - maximum)`, before it is divided by the sum."""

    def __init__(self, context: KernelContext, visibility: Visibility) -> None:
        self.context, self.visibility = context, visibility
        problem = context.problem
        self.region = None if problem.score is None else ScoreRegion(context, problem.score)
        alone = not problem.window and self.region is None
        self.mask = None if problem.mask is None else Mask(context, problem.mask, alone)

    @property
    def query_scale(self) -> float:
        """What raw scores are to be multiplied with, in front of all else: by the products, or by `finish`."""
        problem = self.context.problem
        if problem.softcap:
            return problem.scale / problem.softcap
        return problem.scale if self.region is not None else problem.scale * LOG2_E

    @property
    def only_hides(self) -> bool:
        """Whether `finish` changes no score beside hiding some, but for the scale."""
        return self.mask is None and self.region is None and not self.context.problem.softcap

    def unchanged(self, of_tile: TileScores, remaining_scale: float, keys: Sequence[Index]) -> ir.Value | bool:
        """Whether raw scores of the numbered keys are finished as they are (an i1); False where that is not known."""
        if not self.only_hides or remaining_scale != 1.0:
            return False
        all_see = self.visibility.all_see(keys, of_tile.visible)
        return True if all_see is None else all_see

    def begin_head(self, place: TilePlace) -> None:
        """Prepare what the tiles of a head share."""
        if self.mask is not None:
            self.mask.begin_head(place)

    def begin_tile(self, place: TilePlace) -> TileScores:
        """Find the keys that a tile meets, and prepare what they share."""
        visible, mask, region = self.visibility.of_tile(place), self.mask, self.region
        if mask is not None:
            keys = mask.narrow(KeyRange(visible.first, visible.end), visible.seen_by_all[1])
            visible = replace(visible, first=keys.first, end=keys.end)
        addends = [] if mask is None else mask.addends.begin_tile(place)
        return TileScores(visible, addends, None if region is None else region.begin_tile(place))

    def begin_block(self, block: KeyBlock, maxima: Sequence[ir.Value]) -> ir.Value | None:
        """Whether a block of keys is to be computed (an i1), None for yes; `maxima` are the largest scores so far, by vector."""
        return None if self.mask is None else self.mask.begin_block(block, list(maxima))

    def prepare_block(self, block: KeyBlock) -> None:
        """Prepare what a block of keys needs, before its scores."""
        if self.region is not None:
            self.region.begin_block(block)

    def finish(
        self,
        block: KeyBlock,
        of_tile: TileScores,
        remaining_scale: float,
        tile: Sequence[ir.Value],
        keys: Sequence[Index],
        best: Sequence[ir.Value],
    ) -> tuple[list[ir.Value], list[ir.Value]]:
        """Scores of a tile, `tile[key][vector]`, and the largest of them and `best` by vector. See `products.base.FinishScores`."""
        lanes, vectors, cap = self.context.lanes, self.context.vectors, self.context.problem.softcap
        finished = list(tile)
        if cap:
            finished = soft_capped(lanes, finished, remaining_scale, cap if self.region is not None else cap * LOG2_E)
        elif remaining_scale != 1.0:
            finished = [arith.mulf(value, lanes.constant(remaining_scale), fastmath=arith.FastMathFlags.contract) for value in finished]
        if self.region is not None and of_tile.region is not None:
            finished, seen = self.region.apply(block, of_tile.region, finished, keys)
            # What the region makes minus infinity stays that, and counts nowhere.
            finished = [lanes.mul(value, LOG2_E) for value in finished]
            if seen:
                finished = [lanes.select(condition, value, INVISIBLE) for condition, value in zip(seen, finished, strict=True)]
        if self.mask is not None:
            addends = [value for key in keys for value in self.mask.addends.of_key(block, key, of_tile.mask)]
            finished = [arith.addf(value, addend) for value, addend in zip(finished, addends, strict=True)]
        all_see = self.visibility.all_see(keys, of_tile.visible)
        if all_see is not None:
            raw = finished
            finished = if_else(all_see, lambda: raw, lambda: self.visibility.hide(raw, keys, of_tile.visible), [v.type for v in raw])
        return finished, [lanes.largest([best[part], *finished[part::vectors]]) for part in range(vectors)]
