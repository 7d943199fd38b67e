"""What the operand loaders of one matmul kernel share: strides to offsets, and reads converted to the type that is multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.conversion import Conversion
from tilewright.lowering.templates.matmul.problem import MatmulProblem
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class LoaderContext:
    """What every loader needs: the problem, index arithmetic, the source buffer, this thread's scratch, and how values become those
    that the instruction reads.
    """

    problem: MatmulProblem
    index: IndexMath
    source: Flat
    scratch: ir.Value
    lanes: int
    conversion: Conversion

    def load(self, offset: Index) -> ir.Value:
        """One converted element."""
        return self.conversion.apply(self.source.load(offset))

    def load_vector(self, offset: Index, lanes: int | None = None) -> ir.Value:
        """`lanes` converted neighbours, by default as many as fill a vector of the sums."""
        return self.conversion.apply(self.source.load_vector(offset, lanes or self.lanes))

    def batch_offset(self, strides: Sequence[Dim], batch: Sequence[Index]) -> Index:
        """Elements from the start of a tensor to its part for this batch element."""
        total: Index = 0
        for stride, coordinate in zip(strides, batch, strict=True):
            total = self.index.add(total, self.index.mul(coordinate, self.index.dim(stride)))
        return total

    def step_offset(self, strides: Sequence[Dim], sizes: Sequence[Dim], position: Index) -> Index:
        """The offset of linear `position` along a dimension that is split into steps."""
        if len(sizes) == 1:
            return self.index.mul(position, self.index.dim(strides[0]))
        parts = self.index.delinearize(position, [self.index.dim(s) for s in sizes])
        return self.batch_offset(strides, parts)
