"""Algebraic rules on the scalar expressions of pointwise regions.

Every rule gives the same number for every input, with two exceptions: `x + 0.0` becomes `x`, which keeps a negative zero, and small
powers become products, which round at every step (as PyTorch computes them). Other rules that round differently are not here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tilewright.core.diagnostics import UnsupportedError
from tilewright.dialects import tw
from tilewright.dialects.tw.scalar import evaluate_scalar, supported_scalar_op
from tilewright.passes.scalars import Scalar, ScalarTable

Rule = Callable[[ScalarTable, Scalar], Scalar | None]

_RULES: dict[str, list[Rule]] = {}

# Predicates of arith.cmpi: the one with operands swapped, and whether it holds on equal operands.
_SWAPPED = {0: 0, 1: 1, 2: 4, 3: 5, 4: 2, 5: 3, 6: 8, 7: 9, 8: 6, 9: 7}
_NEGATED = {0: 1, 1: 0, 2: 5, 3: 4, 4: 3, 5: 2, 6: 9, 7: 8, 8: 7, 9: 6}
_HOLDS_ON_EQUAL = {0, 3, 5, 7, 9}
_CMPF_EQUAL, _CMPF_NOT_EQUAL = (1, 8), (6, 13)

_WIDENINGS = {"arith.extf", "arith.extsi", "arith.extui"}


def simplified(table: ScalarTable, scalar: Scalar) -> Scalar:
    """The simplest form of an expression."""
    memo = table.simplified
    known = memo.get(scalar)
    if known is not None:
        return known
    args = tuple(simplified(table, a) for a in scalar.args)
    current = scalar if all(a is b for a, b in zip(args, scalar.args)) else table.apply(scalar.name, args, scalar.dtype, scalar.attributes)
    if current is not scalar and current in memo:
        memo[scalar] = memo[current]
        return memo[current]
    result = current
    if current.args:
        better = _evaluated(table, current) or _rewritten(table, current)
        if better is not None and better is not current:
            result = simplified(table, better)
    memo[scalar] = memo[current] = memo[result] = result
    return result


def _rewritten(table: ScalarTable, scalar: Scalar) -> Scalar | None:
    for rule in _RULES.get(scalar.name, ()):
        better = rule(table, scalar)
        if better is not None:
            return better
    return None


def _evaluated(table: ScalarTable, scalar: Scalar) -> Scalar | None:
    if not all(a.is_constant for a in scalar.args) or not supported_scalar_op(scalar.name):
        return None
    operands = [np.asarray(a.value, np.int64 if a.dtype == "index" else tw.numpy_dtype(a.dtype)) for a in scalar.args]
    predicate = scalar.predicate if scalar.name in ("arith.cmpf", "arith.cmpi") else 0
    try:
        with np.errstate(all="ignore"):
            value = evaluate_scalar(scalar.name, operands, scalar.dtype, predicate)
    except (UnsupportedError, ValueError):  # a negative integer power has no value
        return None
    return table.constant(value.reshape(-1)[0].item(), scalar.dtype)


def _on(*names: str) -> Callable[[Rule], Rule]:
    def add(rule: Rule) -> Rule:
        for name in names:
            _RULES.setdefault(name, []).append(rule)
        return rule

    return add


@_on("arith.addf", "arith.addi", "arith.subf", "arith.subi", "arith.ori", "arith.xori", "arith.shli", "arith.shrsi", "arith.shrui")
def _zero_is_neutral(table: ScalarTable, s: Scalar) -> Scalar | None:
    return s.args[0] if s.args[1].is_number(0) else None


@_on("arith.mulf", "arith.divf", "arith.muli", "arith.divsi", "arith.floordivsi", "math.powf", "math.fpowi", "math.ipowi")
def _one_is_neutral(table: ScalarTable, s: Scalar) -> Scalar | None:
    return s.args[0] if s.args[1].is_number(1) else None


@_on("arith.muli", "arith.andi")
def _zero_absorbs(table: ScalarTable, s: Scalar) -> Scalar | None:
    return s.args[1] if s.args[1].is_number(0) else None


@_on("arith.andi", "arith.ori")
def _all_ones(table: ScalarTable, s: Scalar) -> Scalar | None:
    """`x & -1 = x`, `x | -1 = -1`; -1 of an i1 is true."""
    if not (s.args[1].is_constant and s.args[1].value == (True if s.dtype == "i1" else -1)):
        return None
    return s.args[0] if s.name == "arith.andi" else s.args[1]


@_on("arith.andi", "arith.ori", "arith.maxsi", "arith.minsi", "arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf")
def _idempotent(table: ScalarTable, s: Scalar) -> Scalar | None:
    lhs, rhs = s.args
    if lhs is rhs:
        return lhs
    # (a & b) & b, which masks built from shared parts are full of.
    for nested, other in ((lhs, rhs), (rhs, lhs)):
        if nested.name == s.name and other in nested.args:
            return nested
    return None


@_on("arith.subi", "arith.xori")
def _self_inverse(table: ScalarTable, s: Scalar) -> Scalar | None:
    return table.constant(0, s.dtype) if s.args[0] is s.args[1] else None


@_on("arith.subi")
def _subtract_constant(table: ScalarTable, s: Scalar) -> Scalar | None:
    lhs, rhs = s.args
    if rhs.is_constant and not lhs.is_constant:
        return table.apply("arith.addi", (lhs, table.constant(_wrapped(-rhs.value, s.dtype), s.dtype)))
    return None


@_on("arith.addi", "arith.muli", "arith.andi", "arith.ori", "arith.xori")
def _collect_constants(table: ScalarTable, s: Scalar) -> Scalar | None:
    """`(x + 1) + 2 = x + 3`: exact on integers."""
    lhs, rhs = s.args
    if rhs.is_constant and lhs.name == s.name and lhs.args[1].is_constant:
        return table.apply(s.name, (lhs.args[0], table.apply(s.name, (lhs.args[1], rhs))))
    return None


@_on("arith.mulf", "arith.divf")
def _negative_one(table: ScalarTable, s: Scalar) -> Scalar | None:
    return table.apply("arith.negf", (s.args[0],)) if s.args[1].is_number(-1) else None


@_on("arith.negf")
def _double_negation(table: ScalarTable, s: Scalar) -> Scalar | None:
    return s.args[0].args[0] if s.args[0].name == "arith.negf" else None


@_on("arith.addf", "arith.subf")
def _add_negation(table: ScalarTable, s: Scalar) -> Scalar | None:
    lhs, rhs = s.args
    if rhs.name == "arith.negf":
        return table.apply("arith.subf" if s.name == "arith.addf" else "arith.addf", (lhs, rhs.args[0]))
    if s.name == "arith.addf" and lhs.name == "arith.negf":
        return table.apply("arith.subf", (rhs, lhs.args[0]))
    return None


@_on("arith.divf")
def _divide_by_power_of_two(table: ScalarTable, s: Scalar) -> Scalar | None:
    """Multiplication by the reciprocal where that is exact."""
    divisor = s.args[1]
    if not divisor.is_constant or divisor.value == 0 or not math.isfinite(divisor.value) or abs(math.frexp(divisor.value)[0]) != 0.5:
        return None
    reciprocal = table.constant(1.0 / divisor.value, s.dtype)
    return table.apply("arith.mulf", (s.args[0], reciprocal)) if reciprocal.value and math.isfinite(reciprocal.value) else None


@_on("math.powf", "math.fpowi", "math.ipowi")
def _small_powers(table: ScalarTable, s: Scalar) -> Scalar | None:
    base, exponent = s.args
    multiply = "arith.muli" if s.name == "math.ipowi" else "arith.mulf"
    if exponent.is_number(0):
        return table.constant(1, s.dtype)
    if exponent.is_number(2):
        return table.apply(multiply, (base, base))
    if exponent.is_number(3):
        return table.apply(multiply, (table.apply(multiply, (base, base)), base))
    return None


@_on("arith.select")
def _select(table: ScalarTable, s: Scalar) -> Scalar | None:
    condition, then, otherwise = s.args
    if condition.is_constant:
        return then if condition.value else otherwise
    if then is otherwise:
        return then
    if s.dtype == "i1":
        if then.is_constant and otherwise.is_constant:
            return condition if then.value else _not(table, condition)
        if otherwise.is_constant and not otherwise.value:
            return table.apply("arith.andi", (condition, then))
        if then.is_constant and then.value:
            return table.apply("arith.ori", (condition, otherwise))
    inner = _negated(condition)
    if inner is not None:
        return table.apply("arith.select", (inner, otherwise, then), s.dtype)
    # select(c, select(c, a, b), d): the inner one knows the outcome.
    if then.name == "arith.select" and then.args[0] is condition:
        return table.apply("arith.select", (condition, then.args[1], otherwise), s.dtype)
    if otherwise.name == "arith.select" and otherwise.args[0] is condition:
        return table.apply("arith.select", (condition, then, otherwise.args[2]), s.dtype)
    return None


@_on("arith.xori")
def _negation(table: ScalarTable, s: Scalar) -> Scalar | None:
    """`not not x = x`, `not (a < b) = a >= b` on integers."""
    inner = _negated(s)
    if inner is None:
        return None
    if _negated(inner) is not None:
        return _negated(inner)
    if inner.name == "arith.cmpi":
        return table.compare(_NEGATED[inner.predicate], *inner.args)
    return None


@_on("arith.cmpi")
def _compare(table: ScalarTable, s: Scalar) -> Scalar | None:
    lhs, rhs = s.args
    predicate = s.predicate
    if lhs is rhs:
        return table.constant(predicate in _HOLDS_ON_EQUAL, "i1")
    if lhs.is_constant:
        return table.compare(_SWAPPED[predicate], rhs, lhs)
    if predicate in (0, 1) and rhs.is_constant:
        if lhs.dtype == "i1":
            return lhs if bool(rhs.value) == (predicate == 0) else _not(table, lhs)
        if lhs.name == "arith.extui" and lhs.args[0].dtype == "i1" and rhs.value in (0, 1):
            return lhs.args[0] if (rhs.value == 1) == (predicate == 0) else _not(table, lhs.args[0])
    return None


@_on("arith.cmpf")
def _compare_floats(table: ScalarTable, s: Scalar) -> Scalar | None:
    """`float(b) != 0` is `b` for an i1 b."""
    lhs, rhs = s.args
    if lhs.name != "arith.uitofp" or lhs.args[0].dtype != "i1" or not rhs.is_constant or rhs.value not in (0, 1):
        return None
    if s.predicate not in _CMPF_EQUAL + _CMPF_NOT_EQUAL:
        return None
    return lhs.args[0] if (rhs.value == 1) == (s.predicate in _CMPF_EQUAL) else _not(table, lhs.args[0])


@_on("arith.extf", "arith.extsi", "arith.extui")
def _widen_twice(table: ScalarTable, s: Scalar) -> Scalar | None:
    inner = s.args[0]
    if inner.name == s.name or (s.name == "arith.extsi" and inner.name == "arith.extui"):
        return table.apply(inner.name, inner.args, s.dtype)
    return None


@_on("arith.truncf", "arith.trunci")
def _narrow_widened(table: ScalarTable, s: Scalar) -> Scalar | None:
    """A narrowing of a widening is one cast, or none."""
    inner = s.args[0]
    if s.name == "arith.trunci" and inner.name == "arith.trunci":
        return table.apply("arith.trunci", inner.args, s.dtype)
    if inner.name not in _WIDENINGS or (s.name == "arith.truncf") != (inner.name == "arith.extf"):
        return None
    source = inner.args[0]
    if source.dtype == s.dtype:
        return source
    own, target = tw.BYTES.get(source.dtype), tw.BYTES.get(s.dtype)
    if own is None or target is None or own == target or source.dtype == "i1":
        return None
    return table.apply(s.name if own > target else inner.name, (source,), s.dtype)


@_on("arith.truncf")
def _exact_in_narrow(table: ScalarTable, s: Scalar) -> Scalar | None:
    """Sign changes need no wider type."""
    inner = s.args[0]
    if inner.name not in ("arith.negf", "math.absf") or inner.args[0].name != "arith.extf" or inner.args[0].args[0].dtype != s.dtype:
        return None
    return table.apply(inner.name, inner.args[0].args, s.dtype)


@_on("arith.sitofp", "arith.uitofp")
def _convert_widened(table: ScalarTable, s: Scalar) -> Scalar | None:
    """A zero-extended i1 converts as the i1 itself."""
    inner = s.args[0]
    if inner.name == "arith.extui" and inner.args[0].dtype == "i1":
        return table.apply("arith.uitofp", inner.args, s.dtype)
    return None


@_on("arith.cmpf", "arith.cmpi")
def _compare_choice(table: ScalarTable, s: Scalar) -> Scalar | None:
    """A comparison of `select(c, number, number)` with a number is c, its negation, or decided."""
    inner, number = s.args
    if inner.name != "arith.select" or not all(a.is_constant for a in (*inner.args[1:], number)):
        return None
    outcomes = [_evaluated(table, table.apply(s.name, (a, number), s.dtype, s.attributes)) for a in inner.args[1:]]
    where, elsewhere = (None if o is None else bool(o.value) for o in outcomes)
    if where is None or elsewhere is None:
        return None
    if where == elsewhere:
        return table.constant(where, "i1")
    return inner.args[0] if where else _not(table, inner.args[0])


def _not(table: ScalarTable, scalar: Scalar) -> Scalar:
    return table.apply("arith.xori", (scalar, table.constant(True, "i1")))


def _negated(scalar: Scalar) -> Scalar | None:
    """The operand of a logical not."""
    if scalar.name == "arith.xori" and scalar.dtype == "i1" and scalar.args[1].is_constant and scalar.args[1].value:
        return scalar.args[0]
    return None


def _wrapped(value: int, dtype: str) -> int:
    bits = 8 * tw.BYTES[dtype]
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
