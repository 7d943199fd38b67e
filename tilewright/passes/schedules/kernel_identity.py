"""What a kernel is apart from its name and place: a digest that is equal for equal kernels of any model, and a summary for people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, product, simplify_dim
from tilewright.dialects import tw

_DIGEST_CHARACTERS = 32
_NOT_STRUCTURE = ("tw.schedule", "tw.symbols")
"""Attributes that are left out of a digest: what is looked up by it, and the ranges of sizes, which differ from export to export."""


@dataclass(frozen=True)
class MatmulShape:
    """Sizes of one `tw.matmul`: `batch` products of `m x k` by `k x n`. Leading dimensions that only the left side has count as rows."""

    batch: Dim
    m: Dim
    n: Dim
    k: Dim

    def __str__(self) -> str:
        sizes = f"{self.m} x {self.n} x {self.k}"
        return sizes if self.batch == 1 else f"{self.batch} times {sizes}"


def kernel_digest(function: ir.OpView | ir.Operation) -> str:
    """The hash of a level 2 kernel function: its ops, types and which arguments are weights; not its name, locations or schedule."""
    alone = ir.Module.create(loc=ir.Location.unknown(function.context))
    clone = function.operation.clone(ip=ir.InsertionPoint(alone.body))
    for name in _NOT_STRUCTURE:
        if name in clone.attributes:
            del clone.attributes[name]
    clone.attributes["sym_name"] = ir.StringAttr.get("kernel", clone.context)
    text = str(alone.operation.get_asm(enable_debug_info=False))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def matmul_shapes(function: ir.OpView | ir.Operation) -> list[MatmulShape]:
    """The matmuls of a kernel, in order."""
    return [_shape(op.operation) for op in function.operation.regions[0].blocks[0].operations if tw.is_op(op, "matmul")]


def kernel_summary(function: ir.OpView | ir.Operation) -> str:
    """Sizes (rows x columns x inner), element types and ops: `d0 x 1536 x 384, f32 x f32, matmul broadcast pointwise`."""
    operations = function.operation.regions[0].blocks[0].operations
    names = [name for op in operations if (name := tw.short_name(op)) is not None]
    shapes = list(dict.fromkeys(str(shape) for shape in matmul_shapes(function)))
    first = next((op.operation for op in operations if tw.is_op(op, "matmul")), None)
    types = [] if first is None else [" x ".join(tw.tensor_info(v).dtype for v in first.operands)]
    return ", ".join([" and ".join(shapes), *types, " ".join(dict.fromkeys(names))] if shapes else [" ".join(dict.fromkeys(names))])


def _shape(op: ir.Operation) -> MatmulShape:
    lhs, rhs, result = (tw.tensor_info(v) for v in (*op.operands[:2], op.results[0]))
    k = lhs.shape[-2] if tw.get(op, "transpose_lhs") else lhs.shape[-1]
    leading = result.shape[:-2]
    if rhs.rank == 2:
        return MatmulShape(1, simplify_dim(product((*leading, result.shape[-2]))), result.shape[-1], k)
    return MatmulShape(simplify_dim(product(leading)), result.shape[-2], result.shape[-1], k)
