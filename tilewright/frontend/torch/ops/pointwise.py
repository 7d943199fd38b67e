"""Elementwise ops: arithmetic, comparison, logic, casts, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tilewright.core.mlir import arith, ir
from tilewright.core.mlir import math as mlir_math
from tilewright.core.symbolic import Expr
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.dtypes import compute_type, dtype_name, is_float
from tilewright.frontend.torch.emitter import Emitter, Operand
from tilewright.frontend.torch.registry import imports

# Unary ops whose result is floating point, on integers too.
_FLOAT_UNARY: dict[str, Callable[[ir.Value], Any]] = {
    "exp": mlir_math.exp, "exp2": mlir_math.exp2, "expm1": mlir_math.expm1, "log": mlir_math.log, "log2": mlir_math.log2,
    "log10": mlir_math.log10, "log1p": mlir_math.log1p, "sqrt": mlir_math.sqrt, "rsqrt": mlir_math.rsqrt, "tanh": mlir_math.tanh,
    "sin": mlir_math.sin, "cos": mlir_math.cos, "tan": mlir_math.tan, "sinh": mlir_math.sinh, "cosh": mlir_math.cosh,
    "asin": mlir_math.asin, "acos": mlir_math.acos, "atan": mlir_math.atan, "erf": mlir_math.erf, "erfc": mlir_math.erfc,
    "sigmoid": sc.sigmoid, "silu": sc.silu,
    "reciprocal": lambda x: sc.div(sc.like(x, 1.0), x),
    "log_sigmoid": lambda x: sc.neg(_log1p_exp(sc.neg(x))),
    "mish": lambda x: sc.mul(x, sc.value_of(mlir_math.tanh(_log1p_exp(x)))),
}  # fmt: skip

# Unary ops that keep the element type.
_SAME_UNARY: dict[str, Callable[[ir.Value], Any]] = {
    "abs": sc.absolute, "neg": sc.neg, "square": lambda x: sc.mul(x, x), "relu": lambda x: sc.maximum(x, sc.like(x, 0)),
    "relu6": lambda x: sc.clamp(x, sc.like(x, 0), sc.like(x, 6)), "positive": lambda x: x,
    "sign": lambda x: _sign(x), "sgn": lambda x: _sign(x),
    "hardsigmoid": lambda x: _hardsigmoid(x), "hardswish": lambda x: sc.mul(x, _hardsigmoid(x)),
}  # fmt: skip

# Rounding is the identity on integers.
_ROUNDING: dict[str, Callable[[ir.Value], Any]] = {
    "floor": mlir_math.floor, "ceil": mlir_math.ceil, "trunc": mlir_math.trunc, "round": mlir_math.roundeven,
}  # fmt: skip

_BINARY: dict[tuple[str, ...], Callable[[ir.Value, ir.Value], Any]] = {
    ("mul.Tensor", "mul.Scalar"): sc.mul,
    ("maximum.default", "max.other"): sc.maximum,
    ("minimum.default", "min.other"): sc.minimum,
    ("fmod.Tensor", "fmod.Scalar"): sc.fmod,
    ("remainder.Tensor", "remainder.Scalar", "remainder.Scalar_Tensor"): sc.remainder,
    ("floor_divide.default", "floor_divide.Scalar"): sc.div_floor,
    ("fmax.default",): lambda x, y: arith.maxnumf(x, y) if is_float(sc.dtype_of(x)) else sc.maximum(x, y),
    ("fmin.default",): lambda x, y: arith.minnumf(x, y) if is_float(sc.dtype_of(x)) else sc.minimum(x, y),
    ("atan2.default",): mlir_math.atan2,
    ("copysign.Tensor", "copysign.Scalar"): mlir_math.copysign,
}

# Computed in the node's own type, bit for bit.
_BITWISE: dict[tuple[str, ...], Callable[[ir.Value, ir.Value], Any]] = {
    ("bitwise_and.Tensor", "bitwise_and.Scalar", "__and__.Tensor", "__and__.Scalar"): arith.andi,
    ("bitwise_or.Tensor", "bitwise_or.Scalar", "__or__.Tensor", "__or__.Scalar"): arith.ori,
    ("bitwise_xor.Tensor", "bitwise_xor.Scalar", "__xor__.Tensor", "__xor__.Scalar"): arith.xori,
    ("bitwise_left_shift.Tensor", "bitwise_left_shift.Tensor_Scalar", "__lshift__.Tensor", "__lshift__.Scalar"): arith.shli,
    ("bitwise_right_shift.Tensor", "bitwise_right_shift.Tensor_Scalar", "__rshift__.Tensor", "__rshift__.Scalar"): arith.shrsi,
}

_LOGICAL: dict[str, Callable[[ir.Value, ir.Value], Any]] = {
    "logical_and": arith.andi, "logical_or": arith.ori, "logical_xor": arith.xori,
}  # fmt: skip


def _log1p_exp(x: ir.Value) -> ir.Value:
    return sc.softplus(x)


def _sign(x: ir.Value) -> ir.Value:
    zero = sc.like(x, 0)
    if sc.dtype_of(x) == "i1":
        return x
    return sc.sub(
        sc.cast(sc.compare("gt", x, zero), sc.dtype_of(x)),
        sc.cast(sc.compare("lt", x, zero), sc.dtype_of(x)),
    )


def _hardsigmoid(x: ir.Value) -> ir.Value:
    return sc.div(sc.clamp(sc.add(x, sc.like(x, 3)), sc.like(x, 0), sc.like(x, 6)), sc.like(x, 6))


def _register_tables() -> None:
    for name, function in _FLOAT_UNARY.items():
        imports(f"aten.{name}.default")(_float_unary(function))
    for name, function in _SAME_UNARY.items():
        imports(f"aten.{name}.default")(_same_unary(function))
    for name, function in _ROUNDING.items():
        imports(f"aten.{name}.default")(_rounding(function))
    for names, binary in _BINARY.items():
        imports(*(f"aten.{n}" for n in names))(_binary(binary))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        imports(f"aten.{name}.Tensor", f"aten.{name}.Scalar")(_comparison(name))
    for names, binary in _BITWISE.items():
        imports(*(f"aten.{n}" for n in names))(_bitwise(binary))
    for name, binary in _LOGICAL.items():
        imports(f"aten.{name}.default")(_logical(binary))


def _float_unary(function: Callable[[ir.Value], Any]) -> Callable[..., ir.Value]:
    return lambda emit, x: emit.map(function, x, compute=compute_type(emit.dtype))


def _same_unary(function: Callable[[ir.Value], Any]) -> Callable[..., ir.Value]:
    return lambda emit, x: emit.map(function, x)


def _rounding(function: Callable[[ir.Value], Any]) -> Callable[..., ir.Value]:
    return lambda emit, x: emit.map(function, x) if is_float(tw.tensor_info(x).dtype) else x


def _binary(function: Callable[[ir.Value, ir.Value], Any]) -> Callable[..., ir.Value]:
    return lambda emit, x, y: emit.map(function, x, y, compute=compute_type(emit.dtype))


def _comparison(predicate: str) -> Callable[..., ir.Value]:
    # A number is rounded to the tensor's own type before the comparison, also for half precision.
    return lambda emit, x, y: emit.map(lambda a, b: sc.compare(predicate, a, b), x, y, compute=emit.result_type(x, y), out="i1")


def _bitwise(function: Callable[[ir.Value, ir.Value], Any]) -> Callable[..., ir.Value]:
    return lambda emit, x, y: emit.map(function, x, y, compute=emit.dtype)


def _logical(function: Callable[[ir.Value, ir.Value], Any]) -> Callable[..., ir.Value]:
    return lambda emit, x, y: emit.map(function, x, y, compute="i1", out="i1")


_register_tables()


@imports("aten.add.Tensor", "aten.add.Scalar")
def add(emit: Emitter, x: Operand, y: Operand, alpha: Operand = 1) -> ir.Value:
    return _scaled(emit, sc.add, x, y, alpha)


@imports("aten.sub.Tensor", "aten.sub.Scalar")
def sub(emit: Emitter, x: Operand, y: Operand, alpha: Operand = 1) -> ir.Value:
    return _scaled(emit, sc.sub, x, y, alpha)


@imports("aten.rsub.Tensor", "aten.rsub.Scalar")
def rsub(emit: Emitter, x: Operand, y: Operand, alpha: Operand = 1) -> ir.Value:
    return _scaled(emit, lambda a, b: sc.sub(b, a), x, y, alpha, scale_first=True)


def _scaled(
    emit: Emitter, function: Callable[..., ir.Value], x: Operand, y: Operand, alpha: Operand, scale_first: bool = False
) -> ir.Value:
    compute = compute_type(emit.dtype)
    if not isinstance(alpha, Expr) and alpha == 1:
        return emit.map(function, x, y, compute=compute)
    if scale_first:
        return emit.map(lambda a, b, c: function(sc.mul(a, c), b), x, y, alpha, compute=compute)
    return emit.map(lambda a, b, c: function(a, sc.mul(b, c)), x, y, alpha, compute=compute)


@imports("aten.div.Tensor", "aten.div.Scalar", "aten.true_divide.Tensor", "aten.divide.Tensor", "aten.divide.Scalar")
def div(emit: Emitter, x: Operand, y: Operand) -> ir.Value:
    return emit.map(sc.div, x, y, compute=compute_type(emit.dtype))


@imports("aten.div.Tensor_mode", "aten.div.Scalar_mode")
def div_mode(emit: Emitter, x: Operand, y: Operand, rounding_mode: str | None = None) -> ir.Value:
    function = {None: sc.div, "trunc": sc.div_trunc, "floor": sc.div_floor}[rounding_mode]
    return emit.map(function, x, y, compute=compute_type(emit.dtype))


@imports("aten.pow.Tensor_Scalar", "aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def power(emit: Emitter, x: Operand, y: Operand) -> ir.Value:
    compute = compute_type(emit.dtype)
    if isinstance(y, bool | int | float):
        special = _POWERS.get(float(y))
        if special is not None and (is_float(compute) or y >= 0):
            return emit.map(special, x, compute=compute)
        if not is_float(compute) and y < 0:
            emit.reject("integers can't be raised to a negative power")
    return emit.map(sc.power, x, y, compute=compute)


_POWERS: dict[float, Callable[[ir.Value], Any]] = {
    1.0: lambda x: x,
    2.0: lambda x: sc.mul(x, x),
    3.0: lambda x: sc.mul(sc.mul(x, x), x),
    0.5: mlir_math.sqrt,
    -0.5: mlir_math.rsqrt,
    -1.0: lambda x: sc.div(sc.like(x, 1.0), x),
    -2.0: lambda x: sc.div(sc.like(x, 1.0), sc.mul(x, x)),
}


@imports("aten.gelu.default")
def gelu(emit: Emitter, x: ir.Value, approximate: str = "none") -> ir.Value:
    return emit.map(sc.gelu_tanh if approximate == "tanh" else sc.gelu, x)


@imports("aten.softplus.default")
def softplus(emit: Emitter, x: ir.Value, beta: float = 1, threshold: float = 20) -> ir.Value:
    return emit.map(lambda a: sc.softplus(a, float(beta), float(threshold)), x)


@imports("aten.leaky_relu.default")
def leaky_relu(emit: Emitter, x: ir.Value, slope: float = 0.01) -> ir.Value:
    return emit.map(lambda a: sc.select(sc.compare("gt", a, sc.like(a, 0)), a, sc.mul(a, sc.like(a, slope))), x)


@imports("aten.elu.default")
def elu(emit: Emitter, x: ir.Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> ir.Value:
    def body(a: ir.Value) -> ir.Value:
        grown = sc.value_of(mlir_math.expm1(sc.mul(a, sc.like(a, input_scale))))
        return sc.select(sc.compare("gt", a, sc.like(a, 0)), sc.mul(a, sc.like(a, scale)), sc.mul(grown, sc.like(a, alpha * scale)))

    return emit.map(body, x)


@imports("aten.hardtanh.default", "aten.clamp.default", "aten.clip.default", "aten.clamp.Tensor", "aten.clip.Tensor")
def clamp(emit: Emitter, x: ir.Value, low: Operand | None = None, high: Operand | None = None) -> ir.Value:
    name = str(emit.node.target)
    if "hardtanh" in name:
        low, high = -1 if low is None else low, 1 if high is None else high
    bounds = [b for b in (low, high) if b is not None]

    def body(a: ir.Value, *given: ir.Value) -> ir.Value:
        rest = list(given)
        return sc.clamp(a, None if low is None else rest.pop(0), None if high is None else rest.pop(0))

    return emit.map(body, x, *bounds, compute=compute_type(emit.dtype))


@imports("aten.clamp_min.default", "aten.clamp_min.Tensor")
def clamp_min(emit: Emitter, x: ir.Value, low: Operand) -> ir.Value:
    return emit.map(sc.maximum, x, low, compute=compute_type(emit.dtype))


@imports("aten.clamp_max.default", "aten.clamp_max.Tensor")
def clamp_max(emit: Emitter, x: ir.Value, high: Operand) -> ir.Value:
    return emit.map(sc.minimum, x, high, compute=compute_type(emit.dtype))


@imports("aten.threshold.default")
def threshold(emit: Emitter, x: ir.Value, limit: float, value: float) -> ir.Value:
    return emit.map(lambda a: sc.select(sc.compare("le", a, sc.like(a, limit)), sc.like(a, value), a), x)


@imports("aten.addcmul.default")
def addcmul(emit: Emitter, x: ir.Value, y: ir.Value, z: ir.Value, value: Operand = 1) -> ir.Value:
    return emit.map(lambda a, b, c, v: sc.add(a, sc.mul(sc.mul(b, c), v)), x, y, z, value)


@imports("aten.addcdiv.default")
def addcdiv(emit: Emitter, x: ir.Value, y: ir.Value, z: ir.Value, value: Operand = 1) -> ir.Value:
    return emit.map(lambda a, b, c, v: sc.add(a, sc.mul(sc.div(b, c), v)), x, y, z, value, compute=compute_type(emit.dtype))


@imports("aten.lerp.Tensor", "aten.lerp.Scalar")
def lerp(emit: Emitter, x: ir.Value, y: ir.Value, weight: Operand) -> ir.Value:
    return emit.map(lambda a, b, w: sc.add(a, sc.mul(w, sc.sub(b, a))), x, y, weight)


@imports("aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar")
def where(emit: Emitter, condition: ir.Value, x: Operand, y: Operand) -> ir.Value:
    def body(c: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
        return sc.select(sc.cast(c, "i1"), sc.cast(a, emit.dtype), sc.cast(b, emit.dtype))

    return emit.map(body, condition, x, y, compute=emit.dtype, raw=True)


@imports("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(emit: Emitter, x: ir.Value, mask: ir.Value, value: Operand) -> ir.Value:
    return where(emit, mask, value, x)


@imports("aten.isnan.default")
def isnan(emit: Emitter, x: ir.Value) -> ir.Value:
    return emit.map(lambda a: sc.compare("ne", a, a), x, compute=tw.tensor_info(x).dtype)


@imports("aten.isinf.default")
def isinf(emit: Emitter, x: ir.Value) -> ir.Value:
    return emit.map(lambda a: sc.compare("eq", sc.absolute(a), sc.like(a, float("inf"))), x, compute=_float_compute(x))


@imports("aten.isfinite.default")
def isfinite(emit: Emitter, x: ir.Value) -> ir.Value:
    return emit.map(lambda a: sc.compare("lt", sc.absolute(a), sc.like(a, float("inf"))), x, compute=_float_compute(x))


def _float_compute(x: ir.Value) -> str:
    dtype = tw.tensor_info(x).dtype
    return compute_type(dtype) if is_float(dtype) else "f64"


@imports("aten.nan_to_num.default")
def nan_to_num(emit: Emitter, x: ir.Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> ir.Value:
    dtype = tw.tensor_info(x).dtype
    if not is_float(dtype):
        return x
    limits = torch.finfo(emit.node.meta["val"].dtype)
    high, low = limits.max if posinf is None else posinf, limits.min if neginf is None else neginf

    def body(a: ir.Value) -> ir.Value:
        infinity = sc.like(a, float("inf"))
        a = sc.select(sc.compare("eq", a, infinity), sc.like(a, high), a)
        a = sc.select(sc.compare("eq", a, sc.neg(infinity)), sc.like(a, low), a)
        return sc.select(sc.compare("ne", a, a), sc.like(a, nan or 0.0), a)

    return emit.map(body, x)


@imports("aten.logical_not.default")
def logical_not(emit: Emitter, x: ir.Value) -> ir.Value:
    return emit.map(sc.invert, x, compute="i1", out="i1")


@imports("aten.bitwise_not.default")
def bitwise_not(emit: Emitter, x: ir.Value) -> ir.Value:
    return emit.map(sc.invert, x)


@imports("aten.glu.default")
def glu(emit: Emitter, x: ir.Value, dim: int = -1) -> ir.Value:
    info = tw.tensor_info(x)
    axis = emit.axis(dim, info.rank)
    half = emit.expected.shape[axis]
    value, gate = emit.split(x, [half, half], axis)
    return emit.map(lambda a, b: sc.mul(a, sc.sigmoid(b)), value, gate)


@imports("aten._to_copy.default", "aten.to.dtype", "aten.to.dtype_layout", "aten.to.device", "aten.to.other", "aten.type_as.default",
         "prims.convert_element_type.default")  # fmt: skip
def convert(emit: Emitter, x: ir.Value, *_: object, dtype: torch.dtype | None = None, **__: object) -> ir.Value:
    """Casts. The target type is that of the node's result; device, layout and memory format mean nothing here."""
    return emit.cast(x, dtype_name(dtype) if dtype is not None else emit.dtype)


@imports("aten.view.dtype")
def bitcast(emit: Emitter, x: ir.Value, dtype: torch.dtype) -> ir.Value:
    source, target = tw.tensor_info(x).dtype, dtype_name(dtype)
    if tw.BYTES[source] != tw.BYTES[target] or "i1" in (source, target):
        emit.reject(f"the bits of {source} can't be viewed as {target}, which has another size")
    return emit.map(lambda a: arith.bitcast(tw.element_type(target), a), x, raw=True, compute=source)
