"""A range of columns with what computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.epilogue import EpilogueStore
from tilewright.lowering.templates.matmul.problem import Columns
from tilewright.lowering.templates.matmul.rhs_loaders import RhsLoader
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class Buffers:
    """What a range of columns reads and writes."""

    rhs: Sequence[Flat]
    operands: Sequence[Flat]
    results: Sequence[Flat]


@dataclass(frozen=True)
class ColumnRange:
    """A range of columns with what computes it, or several that differ in their buffers alone: these share their code.

    `buffers` are those of each range. `tile` is scratch for the accumulators of a tile (of all rows of a block, and of all panels of a
    group, where k is split); None where they go from registers into the epilogue.
    """

    columns: Columns
    buffers: Sequence[Buffers]
    rhs: Sequence[RhsLoader]
    store: EpilogueStore
    tile: Flat | None

    @property
    def keeps_panels(self) -> bool:
        """Whether all panels lie in memory, so that any may be read at any time."""
        return all(loader.keeps_panels for loader in self.rhs)

    def choose(self, index: IndexMath, number: Index) -> None:
        """Let loaders and epilogue work on the buffers of range `number` from here on."""
        chosen = self.buffers[0]
        for position, other in enumerate(self.buffers[1:], 1):
            here = index.compare("eq", number, position)
            chosen = Buffers(
                *(
                    [_select(here, new, old) for new, old in zip(news, olds, strict=True)]
                    for news, olds in ((other.rhs, chosen.rhs), (other.operands, chosen.operands), (other.results, chosen.results))
                )
            )
        for loader, source in zip(self.rhs, chosen.rhs, strict=True):
            loader.use(source)
        self.store.use(chosen.operands, chosen.results)


def _select(condition: ir.Value, then: Flat, otherwise: Flat) -> Flat:
    """One of two buffers of one type."""
    same = then.memref == otherwise.memref
    return then if same else Flat(arith.select(condition, then.memref, otherwise.memref), then.dtype, then.index)
