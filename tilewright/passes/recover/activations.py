"""`tw-recover-activations`: the cheapest form of activation functions inside pointwise regions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.scalars import Scalar, ScalarTable
from tilewright.passes.simplify.scalar_rules import simplified

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class RecoverActivations(Pass):
    """Bring sigmoid, SiLU and both GELUs inside regions to the form with the fewest and cheapest operations.

    * `a * (1 / b)` is `a / b`: SiLU is `x / (1 + exp(-x))`.
    * `0.5 * a * (1 + tanh(u))` is `a / (1 + exp(-2 u))`: tanh-GELU and the sigmoid made of tanh cost an exponential, not a tanh.
    * erf-GELU is `(x * 0.5) * (erf(x * sqrt(0.5)) + 1)`, however it was associated.

    Results differ from the written form by rounding only. There is no op for an activation: regions are what fusion and vector math read.

    Before: `mulf(mulf(x, 0.5), addf(tanh(u), 1))`
    After: `divf(x, addf(exp(mulf(u, -2)), 1))`
    """

    name: ClassVar[str] = "tw-recover-activations"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("pointwise")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    before = rw.yields(op)
    memo: dict[Scalar, Scalar] = {}
    after = [simplified(rw.scalars, _recovered(rw.scalars, y, memo)) for y in before]
    if all(a is b for a, b in zip(after, before)):
        return False
    rw.replace(op, rw.pointwise(list(op.operands), after, rw.shape(op.results[0])))
    return True


def _recovered(table: ScalarTable, scalar: Scalar, memo: dict[Scalar, Scalar]) -> Scalar:
    known = memo.get(scalar)
    if known is not None:
        return known
    better = _from_tanh(table, scalar) or _from_erf(table, scalar) or _quotient(table, scalar)
    if better is not None:
        result = _recovered(table, better, memo)
    else:
        args = tuple(_recovered(table, a, memo) for a in scalar.args)
        same = all(a is b for a, b in zip(args, scalar.args))
        rebuilt = scalar if same else table.apply(scalar.name, args, scalar.dtype, scalar.attributes)
        result = rebuilt if same else _recovered(table, rebuilt, memo)
    memo[scalar] = result
    return result


def _quotient(table: ScalarTable, s: Scalar) -> Scalar | None:
    """`a * (1 / b)` as `a / b`."""
    if s.name != "arith.mulf":
        return None
    for factor, inverse in (s.args, s.args[::-1]):
        if inverse.name == "arith.divf" and inverse.args[0].is_number(1):
            return table.apply("arith.divf", (factor, inverse.args[1]))
    return None


def _from_tanh(table: ScalarTable, s: Scalar) -> Scalar | None:
    """`0.5 * a * (1 + tanh(u))` as `a / (1 + exp(-2 u))`; without a, the sigmoid of 2 u."""
    found = _half_times(s, "math.tanh")
    if found is None:
        return None
    others, tanh = found
    exponent = _scaled(table, tanh.args[0], -2.0)
    one = table.constant(1.0, s.dtype)
    denominator = table.apply("arith.addf", (table.apply("math.exp", (exponent,)), one))
    return table.apply("arith.divf", (_product(table, others) or one, denominator))


def _from_erf(table: ScalarTable, s: Scalar) -> Scalar | None:
    """The canonical association of `0.5 * x * (1 + erf(x / sqrt 2))`."""
    found = _half_times(s, "math.erf")
    if found is None or len(found[0]) != 1:
        return None
    (x,), erf = found
    inner = erf.args[0]
    factor = inner.args[1] if inner.name in ("arith.mulf", "arith.divf") and inner.args[0] is x else None
    if factor is None or not factor.is_constant or not factor.value:
        return None
    number = factor.value if inner.name == "arith.mulf" else 1.0 / factor.value
    if abs(number - math.sqrt(0.5)) > 1e-3:
        return None
    root = factor if inner.name == "arith.mulf" else table.constant(math.sqrt(0.5), s.dtype)
    curve = table.apply("math.erf", (table.apply("arith.mulf", (x, root)),))
    half = table.apply("arith.mulf", (x, table.constant(0.5, s.dtype)))
    canonical = table.apply("arith.mulf", (half, table.apply("arith.addf", (curve, table.constant(1.0, s.dtype)))))
    return None if canonical is s else canonical


def _half_times(s: Scalar, function: str) -> tuple[list[Scalar], Scalar] | None:
    """The other factors and the call, when the product `s` has the factors 0.5 and `1 + function(u)`."""
    if s.name != "arith.mulf":
        return None
    parts = _factors(s)
    half = next((p for p in parts if p.is_number(0.5)), None)
    curve = next((p for p in parts if p.name == "arith.addf" and p.args[1].is_number(1) and p.args[0].name == function), None)
    if half is None or curve is None:
        return None
    parts.remove(half)
    parts.remove(curve)
    return parts, curve.args[0]


def _factors(s: Scalar) -> list[Scalar]:
    return [f for a in s.args for f in _factors(a)] if s.name == "arith.mulf" else [s]


def _product(table: ScalarTable, parts: list[Scalar]) -> Scalar | None:
    total: Scalar | None = None
    for part in parts:
        total = part if total is None else table.apply("arith.mulf", (total, part))
    return total


def _scaled(table: ScalarTable, s: Scalar, factor: float) -> Scalar:
    """`s * factor` for a power of two, multiplied into a constant that `s` is already scaled by: exact."""
    if s.name == "arith.mulf" and s.args[1].is_constant:
        return table.apply("arith.mulf", (s.args[0], table.constant(s.args[1].value * factor, s.dtype)))
    return table.apply("arith.mulf", (s, table.constant(factor, s.dtype)))
