"""Seam 3, the matrix instruction: what multiplies and accumulates, as the target's description declares it."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, ir, vector
from tilewright.targets import MatrixInstruction, Target


@dataclass(frozen=True)
class OuterProduct:
    """A fused multiply-add of one broadcast left element with a vector of `lanes` right elements, used as an outer product."""

    record: MatrixInstruction
    lanes: int

    def vector_type(self) -> ir.VectorType:
        return ir.VectorType.get([self.lanes], ir.F32Type.get())

    def zero(self) -> ir.Value:
        """An accumulator that holds zeros."""
        held = self.vector_type()
        return arith.constant(held, ir.DenseElementsAttr.get_splat(held, ir.FloatAttr.get(held.element_type, 0.0)))

    def broadcast(self, scalar: ir.Value) -> ir.Value:
        """The left operand: one element in every lane."""
        return vector.broadcast(self.vector_type(), scalar)

    def accumulate(self, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
        """`acc + lhs * rhs` with one rounding."""
        return vector.fma(lhs, rhs, acc)


def select_instruction(target: Target, lhs: str, rhs: str, acc: str) -> OuterProduct:
    """The instruction for these element types. Raises UnsupportedError when the target declares none that this template drives."""
    record = target.matrix_instruction(lhs, rhs, acc)
    if record is None or not (record.broadcast and (record.m, record.k) == (1, 1) and (lhs, rhs, acc) == ("f32", "f32", "f32")):
        raise UnsupportedError(
            f"{target.name} has no matrix instruction for {lhs} x {rhs} accumulated in {acc} that the matmul template can use",
            remedy="keep such a matmul out of matmul kernels; f32 is supported on every CPU target",
        )
    return OuterProduct(record, record.n)
