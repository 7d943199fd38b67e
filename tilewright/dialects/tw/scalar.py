"""NumPy semantics of the scalar `arith` and `math` ops that may stand in a pointwise region.

One table serves the interpreter and constant folding. Floating point follows IEEE 754 in the op's own precision; bf16 and f16 are
evaluated in f32 and rounded once per op, as the hardware lowering does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.dialects.tw.types import numpy_dtype

_NARROW = ("bf16", "f16")


def _erf(x: np.ndarray) -> np.ndarray:
    from math import erf

    return np.vectorize(erf, otypes=[np.float64])(x.astype(np.float64)).astype(x.dtype)


def _erfc(x: np.ndarray) -> np.ndarray:
    from math import erfc

    return np.vectorize(erfc, otypes=[np.float64])(x.astype(np.float64)).astype(x.dtype)


def _unsigned(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def apply(*args: np.ndarray) -> np.ndarray:
        if args[0].dtype == np.bool_:
            return function(*args)
        unsigned = [a.view(np.dtype(f"uint{a.dtype.itemsize * 8}")) for a in map(np.ascontiguousarray, args)]
        return np.asarray(function(*unsigned))

    return apply


def _trunc_div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    safe = np.where(b == 0, 1, b)
    quotient = np.abs(a) // np.abs(safe)
    return (np.where((a < 0) ^ (safe < 0), -quotient, quotient)).astype(a.dtype)


def _floor_div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a // np.where(b == 0, 1, b).astype(a.dtype)


def _maximumf(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum(a, b)


UNARY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "arith.negf": np.negative,
    "math.absf": np.abs, "math.absi": np.abs, "math.exp": np.exp, "math.exp2": np.exp2, "math.expm1": np.expm1, "math.log": np.log,
    "math.log2": np.log2, "math.log10": np.log10, "math.log1p": np.log1p, "math.sqrt": np.sqrt, "math.rsqrt": lambda x: 1 / np.sqrt(x),
    "math.tanh": np.tanh, "math.sin": np.sin, "math.cos": np.cos, "math.tan": np.tan, "math.erf": _erf, "math.erfc": _erfc,
    "math.floor": np.floor, "math.ceil": np.ceil, "math.trunc": np.trunc, "math.roundeven": np.rint, "math.sinh": np.sinh,
    "math.cosh": np.cosh,
    "math.asin": np.arcsin, "math.acos": np.arccos, "math.atan": np.arctan, "math.isnan": np.isnan, "math.isinf": np.isinf,
    "math.isfinite": np.isfinite,
    "math.round": lambda x: np.trunc(x + np.copysign(np.asarray(0.5, x.dtype), x)),
}  # fmt: skip

BINARY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "arith.addf": np.add, "arith.subf": np.subtract, "arith.mulf": np.multiply, "arith.divf": np.divide, "arith.remf": np.fmod,
    "arith.maximumf": _maximumf, "arith.minimumf": np.minimum, "arith.maxnumf": np.fmax, "arith.minnumf": np.fmin,
    "arith.addi": np.add, "arith.subi": np.subtract, "arith.muli": np.multiply, "arith.divsi": _trunc_div,
    "arith.floordivsi": _floor_div, "arith.remsi": lambda a, b: (a - _trunc_div(a, b) * b).astype(a.dtype),
    "arith.andi": np.bitwise_and, "arith.ori": np.bitwise_or, "arith.xori": np.bitwise_xor, "arith.shli": np.left_shift,
    "arith.shrsi": np.right_shift, "arith.maxsi": np.maximum, "arith.minsi": np.minimum,
    "math.powf": np.power, "math.atan2": np.arctan2, "math.copysign": np.copysign, "math.ipowi": np.power,
}  # fmt: skip

_CMPF: dict[int, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    0: lambda a, b: np.zeros(np.broadcast(a, b).shape, bool), 1: np.equal, 2: np.greater, 3: np.greater_equal, 4: np.less,
    5: np.less_equal, 6: lambda a, b: (a != b) & ~(np.isnan(a) | np.isnan(b)), 7: lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    8: lambda a, b: (a == b) | np.isnan(a) | np.isnan(b), 9: lambda a, b: ~(a <= b), 10: lambda a, b: ~(a < b),
    11: lambda a, b: ~(a >= b), 12: lambda a, b: ~(a > b), 13: np.not_equal, 14: lambda a, b: np.isnan(a) | np.isnan(b),
    15: lambda a, b: np.ones(np.broadcast(a, b).shape, bool),
}  # fmt: skip
_CMPI: dict[int, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    0: np.equal, 1: np.not_equal, 2: np.less, 3: np.less_equal, 4: np.greater, 5: np.greater_equal,
    6: _unsigned(np.less), 7: _unsigned(np.less_equal), 8: _unsigned(np.greater), 9: _unsigned(np.greater_equal),
}  # fmt: skip

_CASTS = {
    "arith.extf", "arith.truncf", "arith.sitofp", "arith.uitofp", "arith.fptosi", "arith.extsi", "arith.extui", "arith.trunci",
    "arith.index_cast",
}  # fmt: skip


def supported_scalar_op(name: str) -> bool:
    """True when `evaluate_region` knows the op."""
    special = {"arith.constant", "arith.select", "arith.cmpf", "arith.cmpi", "math.fma", "math.fpowi", "arith.bitcast"}
    return name in UNARY or name in BINARY or name in _CASTS or name in special


def evaluate_region(region: ir.Region, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a scalar region on whole arrays (already broadcast to one shape). Raises UnsupportedError for an unknown op."""
    block = region.blocks[0]
    values: dict[ir.Value, np.ndarray] = dict(zip(block.arguments, arrays))
    with np.errstate(all="ignore"):
        for op in block.operations:
            operation = op.operation
            operands = [values[v] for v in operation.operands]
            if operation.name == "tw.yield":
                return operands
            result = operation.results[0]
            dtype = str(result.type)
            if operation.name == "arith.constant":
                values[result] = np.asarray(cast(Any, operation.attributes["value"]).value, _array_dtype(dtype))
                continue
            compares = operation.name in ("arith.cmpf", "arith.cmpi")
            predicate = ir.IntegerAttr(operation.attributes["predicate"]).value if compares else 0
            values[result] = evaluate_scalar(operation.name, operands, dtype, predicate)
    raise UnsupportedError("a pointwise region has no tw.yield")


def _array_dtype(dtype: str) -> np.dtype[np.generic]:
    return np.dtype(np.int64) if dtype == "index" else numpy_dtype(dtype)


def evaluate_scalar(name: str, operands: Sequence[np.ndarray], dtype: str, predicate: int = 0) -> np.ndarray:
    """One scalar op on arrays, with results of `dtype`; `predicate` is that of a comparison. Raises UnsupportedError for an unknown op."""
    target = _array_dtype(dtype)
    if dtype in _NARROW and name not in _CASTS:
        operands = [x.astype(np.float32) if x.dtype.itemsize == 2 else x for x in operands]
    if name in UNARY:
        return np.asarray(UNARY[name](operands[0])).astype(target)
    if name in BINARY:
        return np.asarray(BINARY[name](operands[0], operands[1])).astype(target)
    if name in _CASTS:
        return _cast(name, operands[0], target)
    match name:
        case "arith.select":
            return np.where(operands[0], operands[1], operands[2]).astype(target)
        case "arith.cmpf":
            return np.asarray(_CMPF[predicate](*operands))
        case "arith.cmpi":
            return np.asarray(_CMPI[predicate](*operands))
        case "math.fma":
            wide = [x.astype(np.float64) for x in operands]
            return (wide[0] * wide[1] + wide[2]).astype(target)
        case "math.fpowi":
            return np.power(operands[0], operands[1].astype(np.float64)).astype(target)
        case "arith.bitcast":
            return np.ascontiguousarray(operands[0]).view(target)
        case _:
            raise UnsupportedError(f"the scalar op {name} has no NumPy reference", remedy="add it to dialects/tw/scalar.py")


def _cast(name: str, value: np.ndarray, target: np.dtype[np.generic]) -> np.ndarray:
    if name in ("arith.extui", "arith.uitofp") and value.dtype != np.bool_:
        value = np.ascontiguousarray(value).view(np.dtype(f"uint{value.dtype.itemsize * 8}"))
    if name in ("arith.extsi", "arith.sitofp") and value.dtype == np.bool_:
        return np.negative(value.astype(target))
    if name == "arith.trunci" and target == np.bool_:
        return (value & 1).astype(bool)
    return value.astype(target)
