"""Seam 3, the matrix instruction: what multiplies and accumulates, as the target's description declares it.

An instruction here works on vectors: it multiplies one group of `group` neighbours along k of a row, repeated over the vector, with
the same group of every column, and adds the sum to the accumulator of each column. A new one is a class with its emission and a line
in `EMISSIONS`. Instructions on tiles of registers have micro-kernels of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, ir, vector
from tilewright.dialects.tw.types import element_type
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul import find_record
from tilewright.targets import MatrixInstruction, Target


@dataclass(frozen=True)
class VectorInstruction(ABC):
    """`acc[column] += sum over t < group of lhs[t] * rhs[column, t]` for `lanes` columns.

    `lhs_storage` and `rhs_storage` are the element types that rows and panels must have in memory, `acc` that of the sums.
    """

    record: MatrixInstruction
    lanes: int
    lhs_storage: str = "f32"
    rhs_storage: str = "f32"
    acc: str = "f32"
    group: int = 1

    def vector_type(self) -> ir.VectorType:
        """The type of an accumulator."""
        return ir.VectorType.get([self.lanes], element_type(self.acc))

    def zero(self) -> ir.Value:
        """An accumulator that holds zeros."""
        held = self.vector_type()
        is_float = self.acc.startswith("f")
        zero = ir.FloatAttr.get(held.element_type, 0.0) if is_float else ir.IntegerAttr.get(held.element_type, 0)
        return arith.constant(held, ir.DenseElementsAttr.get_splat(held, zero))

    @abstractmethod
    def load_lhs(self, flat: Flat, offset: Index) -> ir.Value:
        """The group of a row at `offset`, repeated over the vector."""

    @abstractmethod
    def load_rhs(self, flat: Flat, offset: Index) -> ir.Value:
        """The groups of `lanes` columns at `offset` of a panel."""

    @abstractmethod
    def accumulate(self, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
        """The updated accumulator."""


@dataclass(frozen=True)
class OuterProduct(VectorInstruction):
    """A fused multiply-add of one broadcast left element with a vector of right elements, used as an outer product."""

    def broadcast(self, scalar: ir.Value) -> ir.Value:
        """One element in every lane."""
        return vector.broadcast(self.vector_type(), scalar)

    def load_lhs(self, flat: Flat, offset: Index) -> ir.Value:
        return self.broadcast(flat.load(offset))

    def load_rhs(self, flat: Flat, offset: Index) -> ir.Value:
        return flat.load_vector(offset, self.lanes)

    def accumulate(self, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
        """`acc + lhs * rhs` with one rounding."""
        return vector.fma(lhs, rhs, acc)


EMISSIONS: dict[str, Callable[[MatrixInstruction], VectorInstruction]] = {
    "vfmadd231ps": lambda record: OuterProduct(record, record.n),
    "fmla": lambda record: OuterProduct(record, record.n),
}
"""Name of a target's record to its emission."""


def select_instruction(target: Target, lhs: str, rhs: str, acc: str) -> OuterProduct:
    """The fused multiply-add for these element types, for templates that multiply vectors of their own making.

    Raises UnsupportedError when the target declares none.
    """
    record = target.matrix_instruction(lhs, rhs, acc)
    instruction = EMISSIONS[record.name](record) if record is not None and record.name in EMISSIONS else None
    if not isinstance(instruction, OuterProduct):
        raise _no_instruction(target, f"{lhs} x {rhs} accumulated in {acc}")
    return instruction


def find_instruction(target: Target, name: str) -> VectorInstruction:
    """The emission of the instruction that a schedule names. Raises UnsupportedError when there is none."""
    record = find_record(target, name)
    if record is None or record.name not in EMISSIONS:
        raise _no_instruction(target, name)
    return EMISSIONS[record.name](record)


def _no_instruction(target: Target, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{target.name} has no matrix instruction for {what} that this template can use",
        remedy="keep such a matmul out of matmul kernels; f32 is supported on every CPU target",
    )
