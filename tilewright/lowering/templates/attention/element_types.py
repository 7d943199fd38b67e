"""Elements of q, k, v and of the result on their way into f32 and back: bf16 and f16 are widened exactly, results are rounded once."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
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
