"""Rounding to bf16 on processors without an instruction for it, where LLVM would call a library routine."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
from tilewright.lowering.templates.vector_region import as_type, is_bf16
from tilewright.targets import Target


def expand_bf16_rounding(function: ir.OpView, target: Target) -> None:
    """Replace every `arith.truncf` to bf16 in `function` by integer arithmetic, unless `target` has the instruction."""
    if target.has("avx512bf16") or target.has("bf16"):
        return
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name == "arith.truncf" and is_bf16(op.results[0].type):
            found.append(op)
        return ir.WalkResult.ADVANCE

    function.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    for op in found:
        with ir.InsertionPoint(op), op.location:
            op.results[0].replace_all_uses_with(_rounded(op.operands[0]))
        op.erase()


def _rounded(value: ir.Value) -> ir.Value:
    """The nearest bf16 of an f32, ties to even: the upper half after half a unit was added. NaN is made quiet instead, which rounding
    could turn into infinity. An f64 is rounded to f32 first.
    """
    if as_type(value, ir.F64Type.get()) == value.type:
        value = arith.truncf(as_type(value, ir.F32Type.get()), value)
    word, half = ir.IntegerType.get_signless(32), ir.IntegerType.get_signless(16)
    words = as_type(value, word)
    bits = arith.bitcast(words, value)
    odd = arith.andi(arith.shrui(bits, _constant(words, 16)), _constant(words, 1))
    nearest = arith.addi(arith.addi(bits, _constant(words, 0x7FFF)), odd)
    is_nan = arith.cmpf(arith.CmpFPredicate.UNO, value, value)
    chosen = arith.select(is_nan, arith.ori(bits, _constant(words, 0x400000)), nearest)
    upper = arith.trunci(as_type(value, half), arith.shrui(chosen, _constant(words, 16)))
    return arith.bitcast(as_type(value, ir.BF16Type.get()), upper)


def _constant(kind: ir.Type, value: int) -> ir.Value:
    if not isinstance(kind, ir.VectorType):
        return arith.constant(kind, value)
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, ir.IntegerAttr.get(kind.element_type, value)))
