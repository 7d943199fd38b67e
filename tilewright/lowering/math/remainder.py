"""The remainder of a float division, exact for every quotient.

With q the quotient rounded to f64 and then towards zero, `r - q y` is a multiple of the last bit of `y` times that of `q` and at most
`y` times the last bit of `q`, so one fused multiply-add gives it exactly. Each step takes some 52 bits off the quotient.
"""

from __future__ import annotations

from tilewright.core.mlir import arith, ir, math, scf
from tilewright.lowering.math.lanes import Lanes


def float_remainder(x: ir.Value, y: ir.Value) -> ir.Value:
    """`x - trunc(x / y) * y` without rounding, for f32 or f64, scalars or lanes: |result| < |y|, with the sign of `x` (also zeros).

    NaN for y = 0, for infinite x and for NaN; `x` itself for infinite y. f32 is computed in f64, where the first step is the last
    one while the quotient is below 2^53; others repeat it, at most 6 times for f32.
    """
    lanes = Lanes(x.type)
    f64 = lanes.shaped(ir.F64Type.get())
    narrow = x.type != f64
    wide_x, wide_y = (arith.ExtFOp(f64, v).result if narrow else v for v in (x, y))
    dividend, divisor = lanes.abs(wide_x), lanes.abs(wide_y)
    loop = scf.WhileOp([f64], [dividend])
    with ir.InsertionPoint(loop.before.blocks.append(f64)):
        rest = loop.before.blocks[0].arguments[0]
        modulus = divisor if narrow else _with_finite_quotient(lanes, rest, divisor)
        quotient = math.TruncOp(lanes.div(rest, modulus)).result
        rest = lanes.fma(lanes.neg(quotient), modulus, rest)
        scf.ConditionOp(lanes.any_lane(lanes.compare("oge", lanes.abs(rest), divisor)), [rest])
    with ir.InsertionPoint(loop.after.blocks.append(f64)):
        scf.YieldOp([loop.after.blocks[0].arguments[0]])
    rest = loop.results_[0]
    # A quotient that was rounded up leaves a negative rest.
    rest = lanes.select(lanes.compare("olt", rest, 0.0), lanes.add(rest, divisor), rest)
    # Also for an infinite divisor, whose product with the quotient 0 is NaN.
    rest = lanes.select(lanes.compare("olt", dividend, divisor), dividend, rest)
    result = lanes.copysign(rest, wide_x)
    return arith.TruncFOp(x.type, result).result if narrow else result


def _with_finite_quotient(lanes: Lanes, rest: ir.Value, divisor: ir.Value) -> ir.Value:
    """The divisor, or the multiple 2^1000 or 2^2000 of it that the quotient doesn't overflow with (a quotient is below 2^2098)."""
    modulus = divisor
    for _ in range(2):
        overflows = lanes.compare("oeq", lanes.abs(lanes.div(rest, modulus)), float("inf"))
        modulus = lanes.select(overflows, lanes.mul(modulus, 2.0**1000), modulus)
    return modulus
