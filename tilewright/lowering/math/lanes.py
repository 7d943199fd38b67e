"""The float operations that the vector functions are written in: scalar `f32` or `vector<N x f32>`, chosen by the operand.

Nothing here sets fast-math flags: what is written is what is computed. Multiply-adds are fused where `fma` is written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tilewright.core.mlir import arith, ir, math, vector
from tilewright.targets import Target

Operand = ir.Value | float
_MAGIC = 12582912.0
"""1.5 * 2^23: adding it to |x| < 2^22 leaves the nearest integer (ties to even) in the low mantissa bits."""
_MAGIC_BITS = 0x4B400000

_CMPF = {
    name: index
    for index, name in enumerate(
        ("false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true")
    )
}
_CMPI = {name: index for index, name in enumerate(("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"))}


class Lanes:
    """Builds operations on values shaped like one `f32` value (a scalar or a rank-1 vector) at the current insertion point."""

    def __init__(self, like: ir.Type, target: Target | None = None) -> None:
        """`like` is f32 or a vector of f32; `target` decides about instructions that not every machine has (None: portable)."""
        self.target = target
        self.shape: list[int] | None = list(like.shape) if isinstance(like, ir.VectorType) else None
        self.f32 = self.shaped(ir.F32Type.get())
        self.i32 = self.shaped(ir.IntegerType.get_signless(32))
        self.i1 = self.shaped(ir.IntegerType.get_signless(1))

    @property
    def width(self) -> int:
        """Number of lanes; 1 for a scalar."""
        return self.shape[0] if self.shape else 1

    def has(self, feature: str) -> bool:
        """Whether the target has an LLVM feature."""
        return self.target is not None and self.target.has(feature)

    def shaped(self, element: ir.Type) -> ir.Type:
        """`element` for scalars, a vector of it otherwise."""
        return ir.VectorType.get(self.shape, element) if self.shape is not None else element

    def constant(self, value: float, like: ir.Type | None = None) -> ir.Value:
        """`value` in all lanes; integers for an integer type (taken modulo its width)."""
        like = like or self.f32
        element = like.element_type if isinstance(like, ir.VectorType) else like
        if isinstance(element, ir.IntegerType):
            bits = int(value) & ((1 << element.width) - 1)
            signed = bits - (1 << element.width) if element.width > 1 and bits >> (element.width - 1) else bits
            attribute: ir.Attribute = ir.IntegerAttr.get(element, signed)
        else:
            attribute = ir.FloatAttr.get(element, value)
        if isinstance(like, ir.VectorType):
            attribute = ir.DenseElementsAttr.get_splat(like, attribute)
        return ir.Operation.create("arith.constant", results=[like], attributes={"value": attribute}).results[0]

    def _of(self, value: Operand, like: ir.Type) -> ir.Value:
        return value if isinstance(value, ir.Value) else self.constant(value, like)

    def _pair(self, lhs: Operand, rhs: Operand) -> tuple[ir.Value, ir.Value]:
        like = lhs.type if isinstance(lhs, ir.Value) else rhs.type if isinstance(rhs, ir.Value) else self.f32
        return self._of(lhs, like), self._of(rhs, like)

    def add(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.AddFOp(*self._pair(lhs, rhs)).result

    def sub(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.SubFOp(*self._pair(lhs, rhs)).result

    def mul(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.MulFOp(*self._pair(lhs, rhs)).result

    def div(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.DivFOp(*self._pair(lhs, rhs)).result

    def neg(self, value: ir.Value) -> ir.Value:
        return arith.NegFOp(value).result

    def fma(self, lhs: Operand, rhs: Operand, addend: Operand) -> ir.Value:
        """`lhs * rhs + addend` with one rounding."""
        like = next(v.type for v in (lhs, rhs, addend) if isinstance(v, ir.Value))
        return math.FmaOp(*(self._of(v, like) for v in (lhs, rhs, addend))).result

    def sqrt(self, value: ir.Value) -> ir.Value:
        return math.SqrtOp(value).result

    def abs(self, value: ir.Value) -> ir.Value:
        return math.AbsFOp(value).result

    def copysign(self, magnitude: Operand, sign: ir.Value) -> ir.Value:
        return math.CopySignOp(*self._pair(magnitude, sign)).result

    def round_even(self, value: ir.Value) -> ir.Value:
        return math.RoundEvenOp(value).result

    def compare(self, predicate: str, lhs: Operand, rhs: Operand) -> ir.Value:
        """Float comparison; `predicate` as in `arith.cmpf` (`olt`, `uno`, ...)."""
        lhs, rhs = self._pair(lhs, rhs)
        return arith.CmpFOp(ir.IntegerAttr.get(ir.IntegerType.get_signless(64), _CMPF[predicate]), lhs, rhs).result

    def select(self, condition: ir.Value, true: Operand, false: Operand) -> ir.Value:
        return arith.SelectOp(condition, *self._pair(true, false)).result

    def max(self, lhs: Operand, rhs: Operand) -> ir.Value:
        """`lhs > rhs ? lhs : rhs`, one instruction on x86. The result is `rhs` when either is NaN."""
        lhs, rhs = self._pair(lhs, rhs)
        return self.select(self.compare("ogt", lhs, rhs), lhs, rhs)

    def largest(self, values: Sequence[ir.Value]) -> ir.Value:
        """The largest of values, as a tree, by `max`."""
        values = list(values)
        while len(values) > 1:
            odd = values[len(values) // 2 * 2 :]
            values = [*odd, *(self.max(a, b) for a, b in zip(values[::2], values[1::2]))]
        return values[0]

    def min(self, lhs: Operand, rhs: Operand) -> ir.Value:
        """`lhs < rhs ? lhs : rhs`. The result is `rhs` when either is NaN."""
        lhs, rhs = self._pair(lhs, rhs)
        return self.select(self.compare("olt", lhs, rhs), lhs, rhs)

    def clamp(self, value: ir.Value, low: float, high: float) -> ir.Value:
        """`value` within [low, high]; NaN stays NaN."""
        return self.max(low, self.min(high, value))

    def polynomial(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        """Horner's rule, highest degree first, fused."""
        result = self.constant(coefficients[0], x.type)
        for coefficient in coefficients[1:]:
            result = self.fma(result, x, coefficient)
        return result

    def bits(self, value: ir.Value) -> ir.Value:
        """The f32 lanes as i32."""
        return arith.BitcastOp(self.i32, value).result

    def from_bits(self, value: ir.Value) -> ir.Value:
        """The i32 lanes as f32."""
        return arith.BitcastOp(self.f32, value).result

    def add_int(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.AddIOp(*self._pair(lhs, rhs)).result

    def sub_int(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.SubIOp(*self._pair(lhs, rhs)).result

    def mul_int(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.MulIOp(*self._pair(lhs, rhs)).result

    def and_int(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.AndIOp(*self._pair(lhs, rhs)).result

    def or_int(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.OrIOp(*self._pair(lhs, rhs)).result

    def xor_int(self, lhs: Operand, rhs: Operand) -> ir.Value:
        return arith.XOrIOp(*self._pair(lhs, rhs)).result

    def shift_left(self, value: ir.Value, count: Operand) -> ir.Value:
        return arith.ShLIOp(*self._pair(value, count)).result

    def shift_right(self, value: ir.Value, count: Operand) -> ir.Value:
        """Arithmetic (sign-extending) shift."""
        return arith.ShRSIOp(*self._pair(value, count)).result

    def shift_right_logical(self, value: ir.Value, count: Operand) -> ir.Value:
        return arith.ShRUIOp(*self._pair(value, count)).result

    def compare_int(self, predicate: str, lhs: Operand, rhs: Operand) -> ir.Value:
        """Integer comparison; `predicate` as in `arith.cmpi`."""
        lhs, rhs = self._pair(lhs, rhs)
        return arith.CmpIOp(ir.IntegerAttr.get(ir.IntegerType.get_signless(64), _CMPI[predicate]), lhs, rhs).result

    def to_float(self, value: ir.Value, like: ir.Type | None = None) -> ir.Value:
        return arith.SIToFPOp(like or self.f32, value).result

    def round_scaled(self, x: ir.Value, scale: float) -> tuple[ir.Value, ir.Value]:
        """The integer nearest to `x * scale`, as f32 and as i32, for `|x * scale| < 2^22`.

        No conversion instruction is used, so NaN gives some integer instead of an undefined value.
        """
        shifted = self.fma(x, scale, _MAGIC)
        return self.sub(shifted, _MAGIC), self.sub_int(self.bits(shifted), _MAGIC_BITS)

    def power_of_two(self, exponent: ir.Value) -> ir.Value:
        """`2^exponent` for i32 lanes within [-126, 127]."""
        return self.from_bits(self.shift_left(self.add_int(exponent, 127), 23))

    def any_lane(self, condition: ir.Value) -> ir.Value:
        """One i1: whether any lane holds."""
        if self.shape is None:
            return condition
        kind = ir.Attribute.parse("#vector.kind<or>")
        return vector.ReductionOp(ir.IntegerType.get_signless(1), kind, condition).result

    def intrinsic(self, name: str, result: ir.Type, operands: Sequence[ir.Value]) -> ir.Value:
        """Call of an LLVM intrinsic."""
        return call_intrinsic(name, [result], operands).result


def call_intrinsic(name: str, results: Sequence[ir.Type], operands: Sequence[ir.Value]) -> ir.Operation:
    """Call of an LLVM intrinsic with any number of results."""
    attributes = {
        "intrin": ir.StringAttr.get(name),
        "op_bundle_sizes": ir.DenseI32ArrayAttr.get([]),
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(operands), 0]),
    }
    return ir.Operation.create("llvm.call_intrinsic", results=list(results), operands=list(operands), attributes=attributes)


def float_from_bits(bits: int) -> float:
    """The f32 with these bits."""
    return struct.unpack("<f", struct.pack("<I", bits))[0]
