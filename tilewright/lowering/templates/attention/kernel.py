"""The loops of an attention kernel for a CPU: FlashAttention with transposed scores.

A unit of work is one tile of query rows of one key and value head. Lanes are queries; rows are keys while scores are computed
(`S^T = K Q^T`) and head dimensions while values are summed (`O^T = V^T P^T`). Only the queries and the result are transposed. The
softmax is vertical: no operation crosses lanes. After Dao et al., "FlashAttention", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.products import KeyBlock, Products
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.scores import ScoreStage, TileScores
from tilewright.lowering.templates.attention.softmax import OnlineSoftmax, Running
from tilewright.lowering.templates.attention.visibility import VisibleKeys
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class AttentionLoops:
    """Emits the code of one kernel: units, tiles, blocks of keys."""

    context: KernelContext
    stage: ScoreStage
    products: Products
    softmax: OnlineSoftmax
    out: Flat
    remaining_scale: float
    """What raw scores are to be multiplied with before the softmax reads them."""

    def emit(self, lo: ir.Value, hi: ir.Value) -> None:
        """The units `lo <= unit < hi`."""
        index, rows, problem = self.context.index, self.context.rows, self.context.problem
        tiles = index.max(index.ceildiv(rows.count(), rows.tile), 1)
        heads = index.dim(problem.kv_heads)
        self.products.begin()

        def unit(number: ir.Value, previous: list[ir.Value]) -> Sequence[ir.Value]:
            head = index.div(number, tiles)
            batch, kv_head = index.delinearize(head, [0, heads])
            tile = index.rem(number, tiles)
            if problem.causal:
                # Later tiles see more keys. Taken from both ends in turn, any range of units is about as long as another.
                half = index.div(tile, 2)
                last_first = index.compare("eq", index.rem(tile, 2), 0)
                tile = index.select(last_first, index.sub(index.sub(tiles, 1), half), half)
            # The last tile ends with the last row; what is missing to a whole tile is in front of the first row.
            place = TilePlace(batch, kv_head, index.sub(rows.count(), index.mul(index.sub(tiles, tile), rows.tile)))
            if_else(index.compare("ne", head, previous[0]), lambda: self._begin_head(place))
            self._tile(place)
            return [index.value(head)]

        for_loop(index, lo, hi, 1, unit, [arith.constant(index.type, -1)])
        self.products.end()

    def _begin_head(self, place: TilePlace) -> None:
        self.products.begin_head(place)
        self.stage.begin_head(place)

    def _tile(self, place: TilePlace) -> None:
        index, block = self.context.index, self.context.schedule.block
        running = self.softmax.start(place)
        self.products.begin_tile(place)
        scores = self.stage.begin_tile(place)
        visible = scores.visible
        ends = self.stage.visibility.ends_of_vectors(place, visible) if self.products.skips_vectors else []

        def meet(first: ir.Value, state: list[ir.Value]) -> list[ir.Value]:
            return self._block(self._keys(place, first, visible, ends), scores, Running.of(state))

        # Products may hold keys in groups, which a range does not begin amid of: what is in front of it is hidden.
        first = index.mul(index.div(visible.first, self.products.padding), self.products.padding)
        running = Running.of(for_loop(index, first, visible.end, block, meet, running.values))
        self.softmax.finish(place, running)
        self.context.rows.store_results(self.softmax.sums, self.softmax.factors, self.out, place, in_pairs=self.products.keeps_pairs)

    def _keys(self, place: TilePlace, first: Index, visible: VisibleKeys, ends: Sequence[Index]) -> KeyBlock:
        """The block of keys from `first`. `ends` are those of the keys which each vector sees; without, all need all keys."""
        index, schedule = self.context.index, self.context.schedule
        count = index.min(index.sub(visible.end, first), schedule.block)
        needed = [index.min(index.round_up(index.max(index.sub(end, first), 0), schedule.rows), count) for end in ends[:-1]]
        return KeyBlock(place, first, count, (*needed, count) if ends else (count,) * self.context.vectors)

    def _block(self, block: KeyBlock, scores: TileScores, running: Running) -> list[ir.Value]:
        """One block of keys, unless nothing in it can count."""
        needed = self.stage.begin_block(block, running.maxima)
        if needed is None:
            return self._needed_block(block, scores, running).values
        types = [value.type for value in running.values]
        return if_else(needed, lambda: self._needed_block(block, scores, running).values, lambda: running.values, types)

    def _needed_block(self, block: KeyBlock, scores: TileScores, running: Running) -> Running:
        """One block of keys: scores, the running maximum, probabilities, sums."""
        products, scale = self.products, self.remaining_scale

        def finish(tile: list[ir.Value], keys: Sequence[Index], best: list[ir.Value]) -> tuple[list[ir.Value], list[ir.Value]]:
            return self.stage.finish(block, scores, scale, tile, keys, best)

        def unchanged(keys: Sequence[Index]) -> ir.Value | bool:
            return self.stage.unchanged(scores, scale, keys)

        self.stage.prepare_block(block)
        best = products.compute_scores(block, self.softmax.nothing_seen(), finish, unchanged)
        running = self.softmax.exponentiate(self.softmax.raise_maxima(running, best), block, products)
        products.add_values(block)
        return running
