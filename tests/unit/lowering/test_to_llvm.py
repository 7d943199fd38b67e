"""Level 3 to LLVM IR, and what is refused on the way instead of crashing."""

from __future__ import annotations

import re

import pytest

from tilewright.core.diagnostics import PassError, TilewrightError, UnsupportedError
from tilewright.core.mlir import ir, new_context
from tilewright.lowering.to_llvm import check_translatable, lower_to_llvm, translate


def to_llvm_ir(text: str) -> str:
    with new_context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        lower_to_llvm(module)
        return translate(module)


def test_pointers_and_their_attributes() -> None:
    text = to_llvm_ir("func.func @f(%a: memref<f32> {llvm.noalias, llvm.align = 64 : i64}, %b: memref<i8>, %n: index) { return }")
    assert "define void @f(ptr noalias align 64 %0, ptr %1, i64 %2)" in text


@pytest.mark.parametrize("op", ["arith.ceildivsi", "arith.floordivsi", "arith.ceildivui"])
@pytest.mark.parametrize("kind", ["index", "i32", "vector<4xi32>"])
def test_rounding_division_is_expanded(op: str, kind: str) -> None:
    text = to_llvm_ir(f"func.func @f(%a: {kind}, %b: {kind}) -> {kind} {{ %c = {op} %a, %b : {kind}\n return %c : {kind} }}")
    assert ("udiv" if op.endswith("ui") else "sdiv") in text


def test_maximum_stays_one_operation() -> None:
    text = to_llvm_ir("func.func @f(%a: f32, %b: f32) -> f32 { %c = arith.maximumf %a, %b : f32\n return %c : f32 }")
    assert "@llvm.maximum.f32" in text and "fcmp" not in text


REFUSED = [
    ('func.func @f(%a: memref<?xf32>) { return } loc("k.py":3:1)', UnsupportedError, r"func\.func at k\.py:3:1"),
    (
        "func.func @f(%a: memref<4x4xf32, strided<[8, 1]>>, %b: memref<4x4xf32>) {\n"
        "  memref.copy %a, %b : memref<4x4xf32, strided<[8, 1]>> to memref<4x4xf32> loc(\"k.py\":5:7)\n  return }",
        UnsupportedError,
        r"a call of memrefCopy at k\.py:5:7",
    ),
    (
        'func.func @f() -> memref<4xf32> {\n  %m = memref.alloc() : memref<4xf32> loc("k.py":6:7)\n  return %m : memref<4xf32> }',
        UnsupportedError,
        r"a call of malloc at k\.py:6:7",
    ),
    (
        'func.func @f(%a: f32) -> f32 { %b = math.erf %a : f32 loc("k.py":7:2)\n return %b : f32 }',
        UnsupportedError,
        r"math\.erf at k\.py:7:2",
    ),
    ('func.func @f(%a: f32) -> f32 { %b = math.cbrt %a : f32\n return %b : f32 }', UnsupportedError, r"math\.cbrt"),
    ("llvm.mlir.global internal constant @c(dense<1.0> : tensor<f32>) : f32", UnsupportedError, "dense attribute without dimensions"),
    ('"tw.unicorn"() : () -> ()', TilewrightError, "unicorn"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "message"), REFUSED, ids=lambda v: v[:20] if isinstance(v, str) else "")
def test_refused(text: str, kind: type[TilewrightError], message: str) -> None:
    context = new_context()
    context.allow_unregistered_dialects = True
    with context, ir.Location.unknown():
        module = ir.Module.parse(text)
        with pytest.raises(kind) as caught:
            lower_to_llvm(module)
            translate(module)
    assert re.search(message, str(caught.value))


def test_an_unfinished_module_is_not_translated() -> None:
    with new_context(), ir.Location.unknown():
        module = ir.Module.parse("func.func @f() { %c = arith.constant 1 : index\n return }")
        with pytest.raises(UnsupportedError, match="cannot be translated") as caught:
            check_translatable(module)
    assert "func.func" in caught.value.why and "arith.constant" in caught.value.why


def test_a_failing_pass_carries_the_diagnostic() -> None:
    text = 'func.func @f(%a: memref<4xf32, "far">) { return } loc("k.py":9:1)'
    with new_context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        with pytest.raises((PassError, UnsupportedError)) as caught:
            lower_to_llvm(module)
            translate(module)
    assert "k.py:9:1" in str(caught.value)
