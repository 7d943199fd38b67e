"""bf16 on processors without instructions for it, where LLVM would call library routines: to round, and even to move values about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tilewright.core.mlir import arith, ir
from tilewright.lowering.templates.vector_region import as_type, is_bf16
from tilewright.targets import Target


def expand_bf16(function: ir.OpView, target: Target) -> None:
    """Hold every bf16 of a level 3 `function` as an i16, in memory and in registers, and round and widen by integer arithmetic; unless
    `target` has instructions for bf16.
    """
    if target.has("avx512bf16") or target.has("bf16"):
        return
    conversions: list[ir.Operation] = []
    others: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        narrow = {"arith.truncf": op.results, "arith.extf": op.operands}.get(op.name)
        (conversions if narrow is not None and is_bf16(narrow[0].type) else others).append(op)
        return ir.WalkResult.ADVANCE

    function.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    for op in others:
        with op.location:
            _hold_as_integers(op)
    for op in conversions:
        with ir.InsertionPoint(op), op.location:
            convert = _rounded if op.name == "arith.truncf" else _widened
            op.results[0].replace_all_uses_with(convert(op.operands[0], op.results[0].type))
        op.erase()
    types = [argument.type for argument in function.operation.regions[0].blocks[0].arguments]
    function.operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, []))


def _hold_as_integers(op: ir.Operation) -> None:
    for value in (*op.results, *_block_arguments(op)):
        held = _held(value.type)
        if held is None:
            continue
        if op.name == "arith.constant":
            with ir.InsertionPoint(op):
                value.replace_all_uses_with(_constant(held, _bits(op.attributes["value"])))
            op.erase()
            return
        value.set_type(held)


def _block_arguments(op: ir.Operation) -> Iterator[ir.Value]:
    for region in op.regions:
        for block in region.blocks:
            yield from block.arguments


def _held(kind: ir.Type) -> ir.Type | None:
    """The type that stands for a scalar, a vector or a buffer of bf16; None for other types."""
    half = ir.IntegerType.get_signless(16)
    if isinstance(kind, ir.MemRefType) and is_bf16(kind.element_type):
        return ir.MemRefType.get(kind.shape, half, kind.layout, kind.memory_space)
    if not is_bf16(kind):
        return None
    return ir.VectorType.get(ir.VectorType(kind).shape, half) if isinstance(kind, ir.VectorType) else half


def _bits(value: ir.Attribute) -> int:
    """Those of a constant, which has one value: the upper half of the f32."""
    scalar = ir.DenseElementsAttr(value).get_splat_value() if isinstance(value, ir.DenseElementsAttr) else value
    number = np.float32(ir.FloatAttr(scalar).value)
    return int(number.view(np.int32)) >> 16


def _widened(value: ir.Value, wide: ir.Type) -> ir.Value:
    """The float of type `wide` of a bf16 held as an i16, which is the upper half of an f32."""
    words = as_type(value, ir.IntegerType.get_signless(32))
    single = arith.bitcast(as_type(value, ir.F32Type.get()), arith.shli(arith.extui(words, value), _constant(words, 16)))
    return single if single.type == wide else arith.extf(wide, single)


def _rounded(value: ir.Value, _: ir.Type) -> ir.Value:
    """The nearest bf16 of an f32 as an i16, ties to even: the upper half after half a unit was added. NaN is made quiet instead, which
    rounding could turn into infinity. An f64 is rounded to f32 first.
    """
    if as_type(value, ir.F64Type.get()) == value.type:
        value = arith.truncf(as_type(value, ir.F32Type.get()), value)
    words = as_type(value, ir.IntegerType.get_signless(32))
    bits = arith.bitcast(words, value)
    odd = arith.andi(arith.shrui(bits, _constant(words, 16)), _constant(words, 1))
    nearest = arith.addi(arith.addi(bits, _constant(words, 0x7FFF)), odd)
    is_nan = arith.cmpf(arith.CmpFPredicate.UNO, value, value)
    chosen = arith.select(is_nan, arith.ori(bits, _constant(words, 0x400000)), nearest)
    return arith.trunci(as_type(value, ir.IntegerType.get_signless(16)), arith.shrui(chosen, _constant(words, 16)))


def _constant(kind: ir.Type, value: int) -> ir.Value:
    if not isinstance(kind, ir.VectorType):
        return arith.constant(kind, value)
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, ir.IntegerAttr.get(kind.element_type, value)))
