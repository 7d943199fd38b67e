"""`tw.matmul` as a plain reduction, for kernels that no template covers."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, from_f32, scalar_constant, to_f32, wide_dtype
from tilewright.lowering.linalg.registry import lowers


@lowers("matmul")
def matmul(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """`acc += lhs * rhs` over (batch..., m, n, k), in the type of `accumulate` where given; batch dimensions broadcast."""
    lhs, rhs = (builder.of(v) for v in list(op.operation.operands)[:2])
    left, right, info = tw.tensor_info(lhs), tw.tensor_info(rhs), tw.tensor_info(op.operation.results[0])
    rank = info.rank
    m, n, k = (ir.AffineDimExpr.get(i) for i in (rank - 2, rank - 1, rank))
    depth = left.shape[-2] if tw.get(op, "transpose_lhs") else left.shape[-1]

    def indexing(operand: tw.TensorInfo, inner: list[ir.AffineExpr]) -> ir.AffineMap:
        missing = rank - operand.rank
        batch = [
            ir.AffineConstantExpr.get(0) if size == 1 and info.shape[i + missing] != 1 else ir.AffineDimExpr.get(i + missing)
            for i, size in enumerate(operand.shape[:-2])
        ]
        return ir.AffineMap.get(rank + 1, 0, [*batch, *inner])

    maps = [
        indexing(left, [k, m] if tw.get(op, "transpose_lhs") else [m, k]),
        indexing(right, [n, k] if tw.get(op, "transpose_rhs") else [k, n]),
    ]
    if depth == 0:
        return builder.filled(info, scalar_constant(0, info.dtype))
    out_map = ir.AffineMap.get(rank + 1, 0, [ir.AffineDimExpr.get(i) for i in range(rank)])
    wide = wide_dtype(info.dtype)
    floating = info.dtype in tw.FLOATS

    def body(a: ir.Value, b: ir.Value, acc: ir.Value) -> ir.Value:
        if not floating:
            return arith.AddIOp(acc, arith.MulIOp(_extended(a, acc.type), _extended(b, acc.type)).result).result
        return arith.AddFOp(acc, arith.MulFOp(to_f32(a), to_f32(b)).result).result

    init = builder.filled(info.with_dtype(wide), scalar_constant(0, wide))
    (out,) = builder.generic([lhs, rhs], maps, [init], [out_map], ["parallel"] * rank + ["reduction"], body)
    if wide == info.dtype:
        return out
    return builder.pointwise([out], info, lambda x: from_f32(x, info.dtype))


def _extended(value: ir.Value, element: ir.Type) -> ir.Value:
    """An integer in the type of the sums."""
    return value if value.type == element else arith.ExtSIOp(element, value).result
