"""Element types in lanes and in memory.

16-bit floats are loaded, extended and computed in f32, and rounded when stored; an i1 is a byte in memory. A bf16 is an i16 in memory:
machines without bf16 instructions have no loads and stores of that type under a mask.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir, vector
from tilewright.dialects.tw.types import BYTES, element_type

__all__ = [
    "BYTES", "broadcast", "constant", "constant_lanes", "element_of", "from_memory", "is_vector", "lane_type", "shaped_like",
    "storage_type", "to_memory", "widen", "zero",
]  # fmt: skip


def storage_type(dtype: str) -> ir.Type:
    """The element type of a buffer."""
    return element_type({"i1": "i8", "bf16": "i16"}.get(dtype, dtype))


def lane_type(dtype: str) -> ir.Type:
    """The element type that values of this dtype have in registers."""
    return element_type("f32" if dtype in ("f16", "bf16") else dtype)


def is_vector(value: ir.Value) -> bool:
    """Whether a value has lanes."""
    return isinstance(value.type, ir.VectorType)


def shaped_like(value: ir.Value, element: ir.Type) -> ir.Type:
    """`element` with the lanes of `value`."""
    return ir.VectorType.get(list(ir.VectorType(value.type).shape), element) if is_vector(value) else element


def element_of(mlir_type: ir.Type) -> ir.Type:
    """The scalar type of a scalar or vector type."""
    return mlir_type.element_type if isinstance(mlir_type, ir.VectorType) else mlir_type


def from_memory(value: ir.Value, dtype: str) -> ir.Value:
    """A loaded scalar or vector as lanes."""
    if dtype == "f16":
        return arith.ExtFOp(shaped_like(value, ir.F32Type.get()), value).result
    if dtype == "bf16":
        wide = arith.ExtUIOp(shaped_like(value, ir.IntegerType.get_signless(32)), value).result
        high = arith.ShLIOp(wide, constant(wide.type, 16)).result
        return arith.BitcastOp(shaped_like(value, ir.F32Type.get()), high).result
    if dtype == "i1":
        return arith.CmpIOp(arith.CmpIPredicate.ne, value, zero(value.type)).result
    return value


def to_memory(value: ir.Value, dtype: str, native_bf16: bool = True) -> ir.Value:
    """Lanes as they are stored. `native_bf16`: the target has an instruction that rounds to bf16."""
    if dtype == "bf16":
        if not native_bf16:
            return _round_to_bf16(value)
        rounded = arith.TruncFOp(shaped_like(value, element_type(dtype)), value).result
        return arith.BitcastOp(shaped_like(value, element_type("i16")), rounded).result
    if dtype == "f16":
        return arith.TruncFOp(shaped_like(value, element_type(dtype)), value).result
    if dtype == "i1":
        return arith.ExtUIOp(shaped_like(value, element_type("i8")), value).result
    return value


def _round_to_bf16(value: ir.Value) -> ir.Value:
    """Round to nearest even by integer arithmetic; a NaN is made quiet first, so that rounding cannot turn it into infinity."""
    i32 = shaped_like(value, ir.IntegerType.get_signless(32))
    i16 = shaped_like(value, ir.IntegerType.get_signless(16))
    bits = arith.BitcastOp(i32, value).result
    is_nan = arith.CmpFOp(arith.CmpFPredicate.UNO, value, value).result
    shift = constant(i32, 16)
    odd = arith.AndIOp(arith.ShRUIOp(bits, shift).result, constant(i32, 1)).result
    rounded = arith.AddIOp(arith.AddIOp(bits, constant(i32, 0x7FFF)).result, odd).result
    chosen = arith.SelectOp(is_nan, arith.OrIOp(bits, constant(i32, 0x400000)).result, rounded).result
    return arith.TruncIOp(i16, arith.ShRUIOp(chosen, shift).result).result


def constant(mlir_type: ir.Type, value: float | int | bool) -> ir.Value:
    """A number in all lanes."""
    element = element_of(mlir_type)
    if isinstance(element, ir.IntegerType | ir.IndexType):
        attribute: ir.Attribute = ir.IntegerAttr.get(element, -1 if value is True else int(value))
    else:
        attribute = ir.FloatAttr.get(element, float(value))
    if isinstance(mlir_type, ir.VectorType):
        attribute = ir.DenseElementsAttr.get_splat(mlir_type, attribute)
    return ir.Operation.create("arith.constant", results=[mlir_type], attributes={"value": attribute}).results[0]


def constant_lanes(values: Sequence[int], element: ir.IntegerType) -> ir.Value:
    """A different integer in each lane."""
    lanes = [ir.IntegerAttr.get(element, v) for v in values]
    kind = ir.VectorType.get([len(lanes)], element)
    attribute = ir.DenseElementsAttr.get(lanes, kind)
    return ir.Operation.create("arith.constant", results=[kind], attributes={"value": attribute}).results[0]


def zero(mlir_type: ir.Type) -> ir.Value:
    """Zero in all lanes."""
    return constant(mlir_type, 0)


def broadcast(value: ir.Value, width: int) -> ir.Value:
    """A scalar in all lanes; vectors stay as they are."""
    if is_vector(value):
        return value
    return vector.BroadcastOp(ir.VectorType.get([width], value.type), value).result


def widen(mlir_type: ir.Type) -> ir.Type:
    """The type in registers of a scalar type in a region."""
    return ir.F32Type.get() if isinstance(mlir_type, ir.F16Type | ir.BF16Type) else mlir_type
