"""Instructions on vectors of columns: what they have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import arith, ir, llvm, vector
from tilewright.dialects.tw.types import BYTES, element_type
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul_instructions import OperandLayout
from tilewright.targets import MatrixInstruction

Operand = Any
"""What an instruction loads for itself: a vector, or a tuple of them."""


@dataclass(frozen=True)
class VectorInstruction(ABC):
    """`acc[column] += sum over t < group of lhs[t] * rhs[column, t]` for `lanes` columns.

    One group of neighbours along k of a row, repeated over the vector, is multiplied with the same group of every column, and the sum
    is added to the accumulator of the column. `layout` says how rows and panels lie in memory.
    """

    record: MatrixInstruction
    lanes: int
    layout: OperandLayout

    def vector_type(self) -> ir.VectorType:
        """The type of an accumulator."""
        return ir.VectorType.get([self.lanes], element_type(self.layout.acc))

    def zero(self) -> ir.Value:
        """An accumulator that holds zeros."""
        held = self.vector_type()
        is_float = self.layout.acc.startswith("f")
        zero = ir.FloatAttr.get(held.element_type, 0.0) if is_float else ir.IntegerAttr.get(held.element_type, 0)
        return arith.constant(held, ir.DenseElementsAttr.get_splat(held, zero))

    def start(self, flat: Flat, sums: Index) -> ir.Value:
        """An accumulator before the first product of `lanes` columns, whose sums lie at `sums` of a panel if the layout has some."""
        if not self.layout.lhs_offset:
            return self.zero()
        loaded = flat.load_vector(sums, self.lanes * BYTES[self.layout.acc] // flat.element_bytes)
        return vector.bitcast(self.vector_type(), loaded)

    @abstractmethod
    def load_lhs(self, flat: Flat, offset: Index) -> Operand:
        """The group of a row at `offset`, repeated over the vector."""

    @abstractmethod
    def load_rhs(self, flat: Flat, offset: Index) -> Operand:
        """The groups of `lanes` columns at `offset` of a panel."""

    @abstractmethod
    def accumulate(self, lhs: Operand, rhs: Operand, acc: ir.Value) -> ir.Value:
        """The updated accumulator."""


def repeat_group(flat: Flat, offset: Index, group: int, lanes: int) -> ir.Value:
    """The 32 bits that `group` neighbours fill, `lanes` times, as a vector of their element type."""
    word = ir.IntegerType.get_signless(32)
    loaded = vector.bitcast(ir.VectorType.get([1], word), flat.load_vector(offset, group))
    repeated = vector.broadcast(ir.VectorType.get([lanes], word), vector.extract(loaded, [], [0]))
    return vector.bitcast(ir.VectorType.get([lanes * group], flat.storage), repeated)


def splat(kind: ir.VectorType, value: int) -> ir.Value:
    """An integer in every lane."""
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, ir.IntegerAttr.get(kind.element_type, value)))


def call_intrinsic(result: ir.Type, name: str, operands: Sequence[ir.Value]) -> ir.Value:
    """A call of LLVM's intrinsic `name`."""
    return llvm.call_intrinsic(result, name, list(operands), [], [])
