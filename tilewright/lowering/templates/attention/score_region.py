"""The region of an attention that changes scores, on vectors of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.products.base import KeyBlock
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.attention.score_tensors import ScoreTensor
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.vector_region import emit_region


@dataclass(frozen=True)
class PreparedRegion:
    """What a region reads that no key changes: indices, one vector for each vector of queries, and elements of the inputs."""

    batch: ir.Value
    heads: list[ir.Value]
    queries: list[ir.Value]
    inputs: list[list[ir.Value]]


class ScoreRegion:
    """`block` has i32 indices. It yields scores, and maybe whether keys are visible. Multiplications and additions in it are contracted."""

    def __init__(self, context: KernelContext, block: ir.Block) -> None:
        for view in block.operations:
            if view.operation.name in ("arith.addf", "arith.subf", "arith.mulf"):
                view.operation.attributes["fastmath"] = ir.Attribute.parse("#arith.fastmath<contract>")
        self.context, self.block = context, block
        self.inputs = [ScoreTensor(context, tensor) for tensor in context.problem.score_inputs]

    def begin_tile(self, place: TilePlace) -> PreparedRegion:
        """Read what the keys of a tile share."""
        rows, parts = self.context.rows, range(self.context.vectors)
        heads = [rows.heads(place, part) for part in parts]
        queries = [rows.positions(place, part) for part in parts]
        return PreparedRegion(self._spread(place.batch), heads, queries, [tensor.begin_tile(place) for tensor in self.inputs])

    def begin_block(self, block: KeyBlock) -> None:
        """Transpose inputs that have an element for each query and key."""
        for tensor in self.inputs:
            tensor.begin_block(block)

    def apply(
        self, block: KeyBlock, prepared: PreparedRegion, tile: Sequence[ir.Value], keys: Sequence[Index]
    ) -> tuple[list[ir.Value], list[ir.Value]]:
        """Scores `tile[key][vector]` of the numbered keys, changed; and whether each is visible, empty where the region does not say so."""
        context = self.context
        scores: list[ir.Value] = []
        visible: list[ir.Value] = []
        for row, key in enumerate(keys):
            number = self._spread(key)
            inputs = [tensor.of_key(block, key, held) for tensor, held in zip(self.inputs, prepared.inputs)]
            for part in range(context.vectors):
                indices = [prepared.batch, prepared.heads[part], prepared.queries[part], number]
                arguments = [tile[row * context.vectors + part], *indices, *(values[part] for values in inputs)]
                score, *seen = emit_region(self.block, arguments, context.rows.lanes, context.target)
                scores.append(score)
                visible.extend(seen)
        return scores, visible

    def _spread(self, number: Index) -> ir.Value:
        i32 = ir.IntegerType.get_signless(32)
        return vector.broadcast(self.context.lanes.i32, arith.index_cast(i32, self.context.index.value(number)))
