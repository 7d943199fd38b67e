"""Rounding integer division from instructions that processors have.

Upstream's `arith-expand` does this too, but expands floating-point minimum and maximum along the way, which costs instructions.
"""

from __future__ import annotations

from collections.abc import Callable

from tilewright.core.mlir import arith, ir

_NE, _SLT = arith.CmpIPredicate.ne, arith.CmpIPredicate.slt


def floor_divide(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`lhs / rhs` rounded towards minus infinity (signed; integers or indices)."""
    quotient, remainder_nonzero, signs_differ = _divide(lhs, rhs)
    return arith.subi(quotient, _as_integer(arith.andi(remainder_nonzero, signs_differ), lhs.type))


def ceil_divide(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`lhs / rhs` rounded towards plus infinity (signed; integers or indices)."""
    quotient, remainder_nonzero, signs_differ = _divide(lhs, rhs)
    true = arith.constant(ir.IntegerType.get_signless(1), 1)
    return arith.addi(quotient, _as_integer(arith.andi(remainder_nonzero, arith.xori(signs_differ, true)), lhs.type))


def floor_modulo(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """The remainder of `floor_divide`: it has the sign of `rhs`."""
    return arith.subi(lhs, arith.muli(floor_divide(lhs, rhs), rhs))


def ceil_divide_unsigned(lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """`lhs / rhs` rounded up, both unsigned."""
    quotient = arith.divui(lhs, rhs)
    inexact = arith.cmpi(_NE, arith.muli(quotient, rhs), lhs)
    return arith.addi(quotient, _as_integer(inexact, lhs.type))


_EXPANSIONS: dict[str, Callable[[ir.Value, ir.Value], ir.Value]] = {
    "arith.floordivsi": floor_divide,
    "arith.ceildivsi": ceil_divide,
    "arith.ceildivui": ceil_divide_unsigned,
}


def expand_integer_division(module: ir.Module) -> None:
    """Replace `arith.floordivsi`, `ceildivsi` and `ceildivui` in `module`, which have no direct lowering to the llvm dialect."""
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name in _EXPANSIONS:
            found.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    for op in found:
        with ir.InsertionPoint(op), op.location:
            op.results[0].replace_all_uses_with(_EXPANSIONS[op.name](op.operands[0], op.operands[1]))
        op.erase()


def _divide(lhs: ir.Value, rhs: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """The quotient rounded towards zero, whether there is a remainder, and whether the exact quotient is negative."""
    quotient = arith.divsi(lhs, rhs)
    zero = _zero_like(lhs)
    remainder = arith.subi(lhs, arith.muli(quotient, rhs))
    nonzero = arith.cmpi(_NE, remainder, zero)
    differ = arith.cmpi(_NE, arith.cmpi(_SLT, remainder, zero), arith.cmpi(_SLT, rhs, zero))
    return quotient, nonzero, differ


def _zero_like(value: ir.Value) -> ir.Value:
    kind = value.type
    if isinstance(kind, ir.VectorType):
        element = ir.IntegerAttr.get(kind.element_type, 0)
        return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, element))
    return arith.constant(kind, 0)


def _as_integer(flag: ir.Value, kind: ir.Type) -> ir.Value:
    if isinstance(kind, ir.IndexType):
        return arith.index_castui(kind, flag)
    return arith.extui(kind, flag)
