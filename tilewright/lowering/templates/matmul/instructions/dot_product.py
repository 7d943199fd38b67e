"""Instructions that multiply groups of neighbours along k, 32 bits of each column, and add the products to 32-bit sums."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.instructions.vector_instruction import VectorInstruction, call_intrinsic, repeat_group, splat
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class DotProduct(VectorInstruction):
    """One instruction of LLVM's name `intrinsic(acc, lhs, rhs)`.

    `vdpbf16ps` adds the product of the second elements of a pair to the accumulator, then that of the first, each with one rounding to
    nearest even, and takes denormal inputs and results for zeros, whatever the control register says. `bfdot` rounds the sum of a
    pair's products to odd before it adds it, without the extended behaviour of later processors. Both differ from f32 sums of the exact
    products by a rounding per addition, as other orders of summation do.
    """

    intrinsic: str

    def load_lhs(self, flat: Flat, offset: Index) -> ir.Value:
        return repeat_group(flat, offset, self.layout.group, self.lanes)

    def load_rhs(self, flat: Flat, offset: Index) -> ir.Value:
        return flat.load_vector(offset, self.lanes * self.layout.group)

    def accumulate(self, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
        return call_intrinsic(self.vector_type(), self.intrinsic, [acc, lhs, rhs])


@dataclass(frozen=True)
class UnsignedDotProduct(DotProduct):
    """A dot product of unsigned left and signed right elements, exact modulo 2^32.

    Signed rows are stored with 128 added, and the sums begin with -128 times the sum of the column, which lies behind each panel.
    """

    def store_sums(self, flat: Flat, groups: Index, nr: int) -> None:
        """Write the last group of a panel of `groups` groups at the start of `flat`: `-lhs_offset` times the sum of each column."""
        index, elements = flat.index, self.lanes * self.layout.group
        ones = splat(ir.VectorType.get([elements], flat.storage), 1)
        parts = range(0, nr * self.layout.group, elements)

        def add(group: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            base = index.mul(group, nr * self.layout.group)
            return [self.accumulate(ones, self.load_rhs(flat, index.add(base, part)), acc) for part, acc in zip(parts, held, strict=True)]

        totals = for_loop(index, 0, groups, 1, add, [self.zero() for _ in parts])
        factor = splat(self.vector_type(), -self.layout.lhs_offset)
        for part, total in zip(parts, totals, strict=True):
            scaled = vector.bitcast(ir.VectorType.get([elements], flat.storage), arith.muli(total, factor))
            flat.store_vector(scaled, index.add(index.mul(groups, nr * self.layout.group), part))


@dataclass(frozen=True)
class PairSum(DotProduct):
    """`intrinsic(lhs, rhs)` multiplies pairs of i16 and adds the two products; the sums are added by an instruction of their own.

    Exact: the largest sum of a pair, 2 * 2^14 for i8 elements, is far from 2^31.
    """

    def load_rhs(self, flat: Flat, offset: Index) -> ir.Value:
        loaded = super().load_rhs(flat, offset)
        wide = ir.VectorType.get([self.lanes * self.layout.group], ir.IntegerType.get_signless(16))
        return loaded if loaded.type == wide else arith.extsi(wide, loaded)

    def accumulate(self, lhs: ir.Value, rhs: ir.Value, acc: ir.Value) -> ir.Value:
        return arith.addi(acc, call_intrinsic(self.vector_type(), self.intrinsic, [lhs, rhs]))
