"""Element types on the way from memory into the instruction: casts of operands folded into their load or their pack."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir
from tilewright.dialects.tw.types import BYTES, element_type

FLOATS = ("f64", "f32", "f16", "bf16")


@dataclass(frozen=True)
class Conversion:
    """Values of type `memory` rounded to `operand`, the type that the program multiplies, and held as `storage`, which is at least as
    wide: `f32 -> bf16 -> f32` rounds, `bf16 -> bf16 -> f32` widens. `offset` is added last: 128, which turns i8 into unsigned values.
    """

    memory: str
    operand: str
    storage: str
    offset: int = 0

    @property
    def is_identity(self) -> bool:
        """Whether values can be read where they are."""
        return self.memory == self.operand == self.storage and not self.offset

    def apply(self, value: ir.Value) -> ir.Value:
        """A scalar or a vector of `memory` as one of `storage`."""
        held = _cast(_cast(value, self.memory, self.operand), self.operand, self.storage)
        return held if not self.offset else arith.addi(held, _constant(held.type, self.offset))

    def zero(self) -> ir.Value:
        """Zero in storage."""
        kind = element_type(self.storage)
        return arith.constant(kind, ir.FloatAttr.get(kind, 0.0) if self.storage in FLOATS else ir.IntegerAttr.get(kind, 0))


def _cast(value: ir.Value, old: str, new: str) -> ir.Value:
    if old == new:
        return value
    scalar = element_type(new)
    kind = ir.VectorType.get(ir.VectorType(value.type).shape, scalar) if isinstance(value.type, ir.VectorType) else scalar
    if {old, new} <= set(FLOATS):
        if BYTES[old] == BYTES[new]:
            wide = _cast(value, old, "f32")
            return _cast(wide, "f32", new)
        return arith.extf(kind, value) if BYTES[old] < BYTES[new] else arith.truncf(kind, value)
    if old in FLOATS or new in FLOATS:
        raise ValueError(f"no conversion of matmul operands from {old} to {new}")
    return arith.extsi(kind, value) if BYTES[old] < BYTES[new] else arith.trunci(kind, value)


def _constant(kind: ir.Type, value: int) -> ir.Value:
    if not isinstance(kind, ir.VectorType):
        return arith.constant(kind, _wrapped(kind, value))
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, _wrapped(kind.element_type, value)))


def _wrapped(kind: ir.Type, value: int) -> ir.Attribute:
    """`value` modulo the range of an integer type."""
    half = 1 << (ir.IntegerType(kind).width - 1)
    return ir.IntegerAttr.get(kind, (value + half) % (2 * half) - half)
