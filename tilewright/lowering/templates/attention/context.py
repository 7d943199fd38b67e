"""What all parts of an attention kernel share while its code is emitted."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.problem import AttentionProblem, Strided
from tilewright.lowering.templates.attention.rows import QueryRows
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat, Scratch, scratch_view
from tilewright.passes.schedules.attention import AttentionSchedule
from tilewright.targets import Target


@dataclass(frozen=True)
class KernelContext:
    """One kernel: what it computes and how, its inputs, and scratch to reserve from. `lanes` computes on vectors of f32 queries."""

    problem: AttentionProblem
    schedule: AttentionSchedule
    target: Target
    index: IndexMath
    rows: QueryRows
    lanes: Lanes
    inputs: list[Flat]
    scratch_pointer: ir.Value
    scratch: Scratch

    @property
    def vectors(self) -> int:
        """Vectors of queries in a tile."""
        return self.rows.vectors

    @property
    def all_keys(self) -> Index:
        """Keys of every head, visible or not."""
        return self.index.dim(self.problem.keys)

    def input(self, number: int | Strided | None) -> Flat | None:
        """The input with this number, or that of this tensor; None for None."""
        number = number.buffer if isinstance(number, Strided) else number
        return None if number is None else self.inputs[number]

    def region(self, elements: Dim, dtype: str = "f32") -> Flat:
        """A new region of the thread's scratch. To be called before the loops are emitted: it lives as long as the kernel runs."""
        return scratch_view(self.scratch_pointer, self.scratch.reserve(elements, dtype), dtype, self.index)

    def at(self, row: Index, part: int) -> Index:
        """The offset of vector `part` of a row of `[..][tile]`."""
        return self.index.add(self.index.mul(row, self.rows.tile), part * self.rows.lanes)
