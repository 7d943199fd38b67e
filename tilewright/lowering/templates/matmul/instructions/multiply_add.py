"""Multiply-adds of one broadcast left element with a vector of right elements, used as outer products.

Narrower elements stay as they are in the panels, which halves or quarters what is read, and are widened when they are loaded: once per
step of k, for all rows of a tile. Rows are widened when they are copied.
"""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.instructions.vector_instruction import Operand, VectorInstruction, splat
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class OuterProduct(VectorInstruction):
    """A fused multiply-add of f32; f16 is widened when it is loaded."""

    def broadcast(self, scalar: ir.Value) -> ir.Value:
        """One element in every lane."""
        return vector.broadcast(self.vector_type(), scalar)

    def load_lhs(self, flat: Flat, offset: Index) -> ir.Value:
        return self.broadcast(flat.load(offset))

    def load_rhs(self, flat: Flat, offset: Index) -> ir.Value:
        loaded = flat.load_vector(offset, self.lanes)
        return loaded if loaded.type == self.vector_type() else arith.extf(self.vector_type(), loaded)

    def accumulate(self, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
        """`acc + lhs * rhs` with one rounding."""
        return vector.fma(lhs, rhs, acc)


@dataclass(frozen=True)
class PairedOuterProduct(OuterProduct):
    """Two fused multiply-adds of f32 for pairs of bf16 along k.

    A bf16 is the upper half of the f32 of the same value. A vector of pairs is therefore widened by one instruction per step of k: a
    shift for the first of each pair, a mask for the second.
    """

    def load_lhs(self, flat: Flat, offset: Index) -> Operand:
        return tuple(self.broadcast(flat.load(index)) for index in (offset, flat.index.add(offset, 1)))

    def load_rhs(self, flat: Flat, offset: Index) -> Operand:
        words = ir.VectorType.get([self.lanes], ir.IntegerType.get_signless(32))
        pairs = vector.bitcast(words, flat.load_vector(offset, 2 * self.lanes))
        first = arith.shli(pairs, splat(words, 16))
        second = arith.andi(pairs, splat(words, -(1 << 16)))
        return tuple(vector.bitcast(self.vector_type(), half) for half in (first, second))

    def accumulate(self, lhs: Operand, rhs: Operand, acc: ir.Value) -> ir.Value:
        for left, right in zip(lhs, rhs, strict=True):
            acc = vector.fma(left, right, acc)
        return acc


@dataclass(frozen=True)
class IntegerOuterProduct(VectorInstruction):
    """A multiplication and an addition of i32, exact modulo 2^32; i8 is widened when it is loaded."""

    def load_lhs(self, flat: Flat, offset: Index) -> ir.Value:
        return vector.broadcast(self.vector_type(), flat.load(offset))

    def load_rhs(self, flat: Flat, offset: Index) -> ir.Value:
        loaded = flat.load_vector(offset, self.lanes)
        return loaded if loaded.type == self.vector_type() else arith.extsi(self.vector_type(), loaded)

    def accumulate(self, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
        return arith.addi(acc, arith.muli(lhs, rhs))
