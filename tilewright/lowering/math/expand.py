"""From scalar `math` ops to vector code: the table, and the widening of other float types."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, ir, math
from tilewright.lowering.math import (
    error_function,
    exponential,
    hyperbolic,
    inverse_trigonometric,
    logarithm,
    power,
    trigonometric,
)
from tilewright.lowering.math.lanes import Lanes
from tilewright.targets import Target

Unary = Callable[[Lanes, ir.Value], ir.Value]

_UNARY: dict[str, Unary] = {
    "math.exp": exponential.exp,
    "math.exp2": exponential.exp2,
    "math.expm1": exponential.expm1,
    "math.log": logarithm.log,
    "math.log2": logarithm.log2,
    "math.log10": logarithm.log10,
    "math.log1p": logarithm.log1p,
    "math.tanh": hyperbolic.tanh,
    "math.sinh": hyperbolic.sinh,
    "math.cosh": hyperbolic.cosh,
    "math.erf": error_function.erf,
    "math.erfc": error_function.erfc,
    "math.sin": trigonometric.sin,
    "math.cos": trigonometric.cos,
    "math.tan": trigonometric.tan,
    "math.asin": inverse_trigonometric.asin,
    "math.acos": inverse_trigonometric.acos,
    "math.atan": inverse_trigonometric.atan,
    "math.rsqrt": power.rsqrt,
}
_FAST: dict[str, Unary] = {
    "math.erf": error_function.erf_rational,
    "math.tanh": hyperbolic.tanh_rational,
    "math.rsqrt": power.rsqrt_estimated,
}
_BINARY: dict[str, Callable[[Lanes, ir.Value, ir.Value], ir.Value]] = {
    "math.powf": power.pow,
    "math.atan2": inverse_trigonometric.atan2,
}
COSTS: dict[str, int] = {
    "math.exp": 12, "math.exp2": 14, "math.expm1": 18, "math.log": 20, "math.log2": 20, "math.log10": 20, "math.log1p": 24,
    "math.tanh": 22, "math.sinh": 30, "math.cosh": 30, "math.erf": 28, "math.erfc": 40, "math.sin": 24, "math.cos": 24,
    "math.tan": 28, "math.asin": 20, "math.acos": 20, "math.atan": 20, "math.rsqrt": 8, "math.powf": 80, "math.atan2": 28, "math.sqrt": 6,
    "arith.divf": 5, "arith.remf": 40, "arith.divsi": 40, "arith.remsi": 40, "arith.floordivsi": 40,
}  # fmt: skip
"""Rough cost of scalar ops in vector instructions, for schedules; ops that are not listed cost 1."""
COST_OF_ONE_PLUS_ERF = 19


def is_expanded(op_name: str) -> bool:
    """Whether `expand_math_op` knows the op; others go to LLVM as they are."""
    return op_name in _UNARY or op_name in _BINARY or op_name in ("math.isnan", "math.isinf", "math.isfinite")


def computes(op_name: str, element: ir.Type) -> bool:
    """Whether `op_name` on scalars of type `element` has code: False for what `expand_math_op` refuses because of the type."""
    if not is_expanded(op_name) or op_name in ("math.isnan", "math.isinf", "math.isfinite"):
        return True
    if op_name == "math.rsqrt" and isinstance(element, ir.F64Type):
        return True
    return isinstance(element, ir.F32Type | ir.F16Type | ir.BF16Type)


def expand_math_op(op_name: str, operands: Sequence[ir.Value], target: Target | None = None, fast: bool = False) -> ir.Value:
    """Build `op_name` (`math.exp`, ...) on scalar or vector float operands at the current insertion point.

    f16 and bf16 are computed in f32 and rounded once. `fast` takes the less exact forms where there are any. Raises UnsupportedError
    for f64, which has no polynomials, and for ops that are not in the table.
    """
    element = operands[0].type.element_type if isinstance(operands[0].type, ir.VectorType) else operands[0].type
    if op_name in ("math.isnan", "math.isinf", "math.isfinite"):
        return _classify(op_name, operands[0])
    if not is_expanded(op_name):
        raise UnsupportedError(f"{op_name} has no vector code", remedy="express it by supported math ops")
    if op_name == "math.rsqrt" and isinstance(element, ir.F64Type):
        lanes = Lanes(operands[0].type, target)
        return arith.DivFOp(lanes.constant(1.0, operands[0].type), math.SqrtOp(operands[0]).result).result
    if not computes(op_name, element):
        raise UnsupportedError(f"{op_name} on {element} is not supported", remedy="cast to f32 before")
    original = operands[0].type
    shape = list(original.shape) if isinstance(original, ir.VectorType) else None
    f32 = ir.VectorType.get(shape, ir.F32Type.get()) if shape is not None else ir.F32Type.get()
    wide = [v if v.type == f32 else arith.ExtFOp(f32, v).result for v in operands]
    lanes = Lanes(f32, target)
    if op_name in _BINARY:
        result = _BINARY[op_name](lanes, *wide)
    else:
        function = _FAST[op_name] if fast and op_name in _FAST else _UNARY[op_name]
        result = function(lanes, wide[0])
    return result if original == f32 else arith.TruncFOp(original, result).result


def expand_one_plus_erf(x: ir.Value, target: Target | None = None) -> ir.Value:
    """Build `1 + erf(x)` on f32 at the current insertion point: cheaper than both ops, and as exact as their sum needs."""
    return error_function.one_plus_erf(Lanes(x.type, target), x)


def expand_nonpositive_exp(x: ir.Value, target: Target | None = None) -> ir.Value:
    """Build `e^x` on f32 that is known not to be positive at the current insertion point: cheaper than `math.exp`, within 2.3e-7."""
    return exponential.exp_nonpositive(Lanes(x.type, target), x)


def sums_with_erf(block: ir.Block) -> dict[ir.Operation, ir.Operation]:
    """The sums `1 + erf(x)` of a scalar region, as in GELU, whose erf nothing else uses: the addition, and the erf. Not those of f64."""
    found: dict[ir.Operation, ir.Operation] = {}
    for view in block.operations:
        op = view.operation
        if op.name != "arith.addf" or isinstance(op.results[0].type, ir.F64Type):
            continue
        for value, other in (tuple(op.operands), tuple(op.operands)[::-1]):
            is_erf = not isinstance(value.owner, ir.Block) and value.owner.operation.name == "math.erf" and len(list(value.uses)) == 1
            if is_erf and _is_one(other):
                found[op] = value.owner.operation
    return found


def _is_one(value: ir.Value) -> bool:
    owner = value.owner
    return (
        not isinstance(owner, ir.Block)
        and owner.operation.name == "arith.constant"
        and ir.FloatAttr(owner.operation.attributes["value"]).value == 1.0
    )


def _classify(op_name: str, value: ir.Value) -> ir.Value:
    lanes = Lanes(value.type)
    magnitude = math.AbsFOp(value).result
    infinity = lanes.constant(float("inf"), value.type)
    if op_name == "math.isnan":
        return lanes.compare("uno", value, value)
    return lanes.compare("oeq" if op_name == "math.isinf" else "olt", magnitude, infinity)
