"""Combining the elements of a reduction: neutral elements, the operation, the horizontal step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.loops.types import constant, element_of, is_vector


def _is_float(value_type: ir.Type) -> bool:
    return isinstance(element_of(value_type), ir.F32Type | ir.F64Type)


def neutral(kind: str, value_type: ir.Type) -> ir.Value:
    """The element that changes nothing, in all lanes."""
    element = element_of(value_type)
    if _is_float(value_type):
        # x + -0.0 is x for every x, so the first addition disappears.
        values = {"add": -0.0, "mul": 1.0, "max": -float("inf"), "min": float("inf")}
        return constant(value_type, values[kind.removesuffix("num")])
    bits = ir.IntegerType(element).width
    lowest, highest = (0, -1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if bits == 1:
        # As signed numbers an i1 is 0 or -1, so "true" is the smaller one.
        lowest, highest = -1, 0
    return constant(value_type, {"add": 0, "mul": 1, "max": lowest, "min": highest, "and": -1, "or": 0}[kind])


def combine(kind: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """One step. For `maxnum` and `minnum`, `lhs` must not be NaN; a NaN in `rhs` is ignored."""
    if _is_float(lhs.type):
        if kind in ("maxnum", "minnum"):
            order = arith.CmpFPredicate.OGT if kind == "maxnum" else arith.CmpFPredicate.OLT
            return arith.SelectOp(arith.CmpFOp(order, rhs, lhs).result, rhs, lhs).result
        build: dict[str, Callable[..., arith.AddFOp]] = {
            "add": arith.AddFOp,
            "mul": arith.MulFOp,
            "max": arith.MaximumFOp,
            "min": arith.MinimumFOp,
        }
        return build[kind](lhs, rhs).result
    integer: dict[str, Callable[..., arith.AddIOp]] = {
        "add": arith.AddIOp,
        "mul": arith.MulIOp,
        "max": arith.MaxSIOp,
        "min": arith.MinSIOp,
        "and": arith.AndIOp,
        "or": arith.OrIOp,
    }
    return integer[kind](lhs, rhs).result


def tree(kind: str, values: Sequence[ir.Value]) -> ir.Value:
    """All values in a balanced tree."""
    values = list(values)
    while len(values) > 1:
        pairs = [combine(kind, values[i], values[i + 1]) for i in range(0, len(values) - 1, 2)]
        values = pairs + values[len(values) - len(values) % 2 :]
    return values[0]


def horizontal(kind: str, value: ir.Value) -> ir.Value:
    """One scalar from all lanes. Sums are reassociated into a tree; extrema use shuffles of whole vectors."""
    if not is_vector(value):
        return value
    width = ir.VectorType(value.type).shape[0]
    element = element_of(value.type)
    if _is_float(value.type) and kind in ("add", "mul"):
        return vector.ReductionOp(
            element,
            ir.Attribute.parse(f"#vector.kind<{kind}>"),
            value,
            acc=neutral(kind, element),
            fastmath=ir.Attribute.parse("#arith.fastmath<reassoc>"),
        ).result
    distance = width // 2
    while distance:
        swapped = vector.ShuffleOp(value, value, ir.DenseI64ArrayAttr.get([i ^ distance for i in range(width)])).result
        value = combine(kind, value, swapped)
        distance //= 2
    return vector.ExtractOp(value, [], ir.DenseI64ArrayAttr.get([0])).result
