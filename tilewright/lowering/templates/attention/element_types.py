"""Elements of q, k, v and of the result on their way into f32 and back: bf16 and f16 are widened exactly, results are rounded once."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir, llvm, vector
from tilewright.dialects.tw.types import element_type
from tilewright.lowering.templates.vector_region import as_type


def widened(value: ir.Value) -> ir.Value:
    """A scalar or vector of f32, f16 or bf16 as f32."""
    kind = as_type(value, ir.F32Type.get())
    return value if value.type == kind else arith.extf(kind, value)


def rounded(value: ir.Value, dtype: str) -> ir.Value:
    """A scalar or vector of f32 as f32, f16 or bf16, to the nearest, ties to even."""
    kind = as_type(value, element_type(dtype))
    return value if value.type == kind else arith.truncf(kind, value)


def rounded_pairs(first: ir.Value, second: ir.Value) -> ir.Value:
    """Words of two vectors of 16 f32, rounded to bf16 like `rounded`: elements of `first` in lower halves. Needs AVX512_BF16."""
    both = ir.VectorType.get([32], ir.BF16Type.get())
    halves = llvm.call_intrinsic(both, "llvm.x86.avx512bf16.cvtne2ps2bf16.512", [second, first], [], [])
    pairs = vector.shuffle(halves, halves, [lane // 2 + lane % 2 * 16 for lane in range(32)])
    return vector.bitcast(ir.VectorType.get([16], ir.IntegerType.get_signless(32)), pairs)
