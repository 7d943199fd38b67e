"""Scalar arithmetic inside `tw.pointwise` regions: one function per operation, whatever the element type.

All take and return scalar MLIR values of the `tw` types and build `arith` or `math` ops at the current insertion point. An `i1`
is a truth value: `add` is or, `mul` is and.
"""

from __future__ import annotations

from typing import Any

from tilewright.core.mlir import arith, ir
from tilewright.core.mlir import math as mlir_math
from tilewright.dialects import tw
from tilewright.frontend.torch.dtypes import is_float

_WIDTH = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "f16": 16, "bf16": 16, "f32": 32, "f64": 64}

_ORDERED = {
    "eq": arith.CmpFPredicate.OEQ, "ne": arith.CmpFPredicate.UNE, "lt": arith.CmpFPredicate.OLT, "le": arith.CmpFPredicate.OLE,
    "gt": arith.CmpFPredicate.OGT, "ge": arith.CmpFPredicate.OGE,
}  # fmt: skip
_SIGNED = {
    "eq": arith.CmpIPredicate.eq, "ne": arith.CmpIPredicate.ne, "lt": arith.CmpIPredicate.slt, "le": arith.CmpIPredicate.sle,
    "gt": arith.CmpIPredicate.sgt, "ge": arith.CmpIPredicate.sge,
}  # fmt: skip
_BOOLEAN = {**_SIGNED, "lt": arith.CmpIPredicate.ult, "le": arith.CmpIPredicate.ule, "gt": arith.CmpIPredicate.ugt,
            "ge": arith.CmpIPredicate.uge}  # fmt: skip


def value_of(op: Any) -> ir.Value:
    """The single result of an op view (the bindings return either)."""
    return op if isinstance(op, ir.Value) else op.result


def dtype_of(value: ir.Value) -> str:
    """The type name of a scalar."""
    return str(value.type)


def constant(value: float, dtype: str) -> ir.Value:
    """A number as a scalar of `dtype`."""
    element = tw.element_type(dtype)
    if dtype == "i1":
        return value_of(arith.constant(element, bool(value)))
    return value_of(arith.constant(element, float(value) if is_float(dtype) else int(value)))


def like(value: ir.Value, number: float) -> ir.Value:
    """A number as a scalar of the type of `value`."""
    return constant(number, dtype_of(value))


def cast(value: ir.Value, dtype: str) -> ir.Value:
    """Convert as torch does: to bool by comparison with 0, float to integer toward 0, integers by wrapping."""
    source = dtype_of(value)
    if source == dtype:
        return value
    element = tw.element_type(dtype)
    if dtype == "i1":
        return compare("ne", value, like(value, 0))
    if is_float(source) and is_float(dtype):
        if _WIDTH[source] == _WIDTH[dtype]:
            return cast(cast(value, "f32"), dtype)
        widen = _WIDTH[source] < _WIDTH[dtype]
        return value_of(arith.extf(element, value) if widen else arith.truncf(element, value))
    if is_float(source):
        return value_of(arith.fptosi(element, value))
    if is_float(dtype):
        return value_of(arith.uitofp(element, value) if source == "i1" else arith.sitofp(element, value))
    if source == "i1":
        return value_of(arith.extui(element, value))
    widen = _WIDTH[source] < _WIDTH[dtype]
    return value_of(arith.extsi(element, value) if widen else arith.trunci(element, value))


def add(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    dtype = dtype_of(lhs)
    return value_of(arith.addf(lhs, rhs) if is_float(dtype) else arith.ori(lhs, rhs) if dtype == "i1" else arith.addi(lhs, rhs))


def sub(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return value_of(arith.subf(lhs, rhs) if is_float(dtype_of(lhs)) else arith.subi(lhs, rhs))


def mul(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    dtype = dtype_of(lhs)
    return value_of(arith.mulf(lhs, rhs) if is_float(dtype) else arith.andi(lhs, rhs) if dtype == "i1" else arith.muli(lhs, rhs))


def div(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """Float division."""
    return value_of(arith.divf(lhs, rhs))


def div_trunc(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """Division rounded toward 0."""
    if is_float(dtype_of(lhs)):
        return value_of(mlir_math.trunc(div(lhs, rhs)))
    return value_of(arith.divsi(lhs, rhs))


def fmod(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """Remainder with the sign of `lhs`."""
    return value_of(arith.remf(lhs, rhs) if is_float(dtype_of(lhs)) else arith.remsi(lhs, rhs))


def remainder(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """Remainder with the sign of `rhs` (Python's %)."""
    rest = fmod(lhs, rhs)
    zero = like(rest, 0)
    wrong_sign = logical_and(compare("ne", rest, zero), logical_xor(compare("lt", rhs, zero), compare("lt", rest, zero)))
    return select(wrong_sign, add(rest, rhs), rest)


def div_floor(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """Division rounded down. For floats consistent with `remainder`: `(lhs - remainder) / rhs`, rounded to the nearest integer."""
    if not is_float(dtype_of(lhs)):
        return value_of(arith.floordivsi(lhs, rhs))
    zero, one = like(lhs, 0.0), like(lhs, 1.0)
    rest = fmod(lhs, rhs)
    quotient = div(sub(lhs, rest), rhs)
    wrong_sign = logical_and(compare("ne", rest, zero), logical_xor(compare("lt", rhs, zero), compare("lt", rest, zero)))
    quotient = select(wrong_sign, sub(quotient, one), quotient)
    lower = value_of(mlir_math.floor(quotient))
    rounded = select(compare("gt", sub(quotient, lower), like(lhs, 0.5)), add(lower, one), lower)
    signed_zero = value_of(mlir_math.copysign(zero, div(lhs, rhs)))
    result = select(compare("ne", quotient, zero), rounded, signed_zero)
    return select(compare("eq", rhs, zero), div(lhs, rhs), result)


def neg(value: ir.Value) -> ir.Value:
    return value_of(arith.negf(value)) if is_float(dtype_of(value)) else sub(like(value, 0), value)


def absolute(value: ir.Value) -> ir.Value:
    return value_of(mlir_math.absf(value) if is_float(dtype_of(value)) else mlir_math.absi(value))


def maximum(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """The larger one; a NaN wins."""
    dtype = dtype_of(lhs)
    return value_of(arith.maximumf(lhs, rhs) if is_float(dtype) else arith.ori(lhs, rhs) if dtype == "i1" else arith.maxsi(lhs, rhs))


def minimum(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """The smaller one; a NaN wins."""
    dtype = dtype_of(lhs)
    return value_of(arith.minimumf(lhs, rhs) if is_float(dtype) else arith.andi(lhs, rhs) if dtype == "i1" else arith.minsi(lhs, rhs))


def compare(predicate: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`eq`, `ne`, `lt`, `le`, `gt`, `ge` of two scalars of one type. Comparisons with NaN are false, except `ne`."""
    dtype = dtype_of(lhs)
    if is_float(dtype):
        return value_of(arith.cmpf(_ORDERED[predicate], lhs, rhs))
    return value_of(arith.cmpi(_BOOLEAN[predicate] if dtype == "i1" else _SIGNED[predicate], lhs, rhs))


def select(condition: ir.Value, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return value_of(arith.select(condition, lhs, rhs))


def logical_and(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return value_of(arith.andi(lhs, rhs))


def logical_or(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return value_of(arith.ori(lhs, rhs))


def logical_xor(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return value_of(arith.xori(lhs, rhs))


def invert(value: ir.Value) -> ir.Value:
    """Bitwise complement; logical not of an i1."""
    return logical_xor(value, like(value, 1 if dtype_of(value) == "i1" else -1))


def power(base: ir.Value, exponent: ir.Value) -> ir.Value:
    return value_of(mlir_math.powf(base, exponent) if is_float(dtype_of(base)) else mlir_math.ipowi(base, exponent))


def sigmoid(value: ir.Value) -> ir.Value:
    """`1 / (1 + exp(-x))`."""
    one = like(value, 1.0)
    return div(one, add(one, value_of(mlir_math.exp(neg(value)))))


def silu(value: ir.Value) -> ir.Value:
    """`x * sigmoid(x)`."""
    return mul(value, sigmoid(value))


def softplus(value: ir.Value, beta: float = 1.0, threshold: float = 20.0) -> ir.Value:
    """`log(1 + exp(beta x)) / beta`, x itself where `beta x > threshold`."""
    scaled = value if beta == 1.0 else mul(value, like(value, beta))
    soft = value_of(mlir_math.log1p(value_of(mlir_math.exp(scaled))))
    soft = soft if beta == 1.0 else div(soft, like(value, beta))
    return select(compare("gt", scaled, like(value, threshold)), value, soft)


def gelu(value: ir.Value) -> ir.Value:
    """`x/2 * (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel 2016)."""
    inner = value_of(mlir_math.erf(mul(value, like(value, 0.7071067811865476))))
    return mul(mul(value, like(value, 0.5)), add(inner, like(value, 1.0)))


def gelu_tanh(value: ir.Value) -> ir.Value:
    """`x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`."""
    cube = mul(mul(value, value), value)
    inner = mul(add(value, mul(cube, like(value, 0.044715))), like(value, 0.7978845608028654))
    return mul(mul(value, like(value, 0.5)), add(value_of(mlir_math.tanh(inner)), like(value, 1.0)))


def clamp(value: ir.Value, low: ir.Value | None, high: ir.Value | None) -> ir.Value:
    """`min(max(x, low), high)`; NaN stays."""
    value = value if low is None else maximum(value, low)
    return value if high is None else minimum(value, high)
