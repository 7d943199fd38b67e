"""Rotary position embedding: each half loads its partner from the other half."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir, linalg, math, tensor
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, broadcast_map, from_f32, index_constant, to_f32
from tilewright.lowering.linalg.movement import choose
from tilewright.lowering.linalg.registry import lowers


@lowers("rope")
def rope(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """`x cos + rotate(x) sin`; the sign and the distance of the partner depend on the half (or the parity, when interleaved)."""
    x, cos, sin = (builder.of(v) for v in op.operation.operands)
    info = tw.tensor_info(op.operation.results[0])
    interleaved = bool(tw.get(op, "interleaved"))
    last = info.rank - 1
    size = info.shape[last]
    if not isinstance(size, int):
        raise ValueError("the verifier lets only static sizes through")
    distance = 1 if interleaved else size // 2

    def body(element: ir.Value, c: ir.Value, s: ir.Value, _: ir.Value) -> ir.Value:
        index = [linalg.IndexOp(i).result for i in range(info.rank)]
        offset = index_constant(distance)

        def partner(forward: bool) -> ir.Value:
            at = list(index)
            at[last] = (arith.AddIOp if forward else arith.SubIOp)(index[last], offset).result
            loaded = to_f32(tensor.ExtractOp(x, at).result)
            return arith.NegFOp(loaded).result if forward else loaded

        counted = arith.RemUIOp(index[last], index_constant(2)).result if interleaved else index[last]
        is_first = arith.CmpIOp(arith.CmpIPredicate.ult, counted, offset).result
        wide = ir.F32Type.get() if info.dtype != "f64" else ir.F64Type.get()
        rotated = choose(is_first, wide, lambda: partner(True), lambda: partner(False))
        product = arith.MulFOp(rotated, to_f32(s)).result
        return from_f32(math.FmaOp(to_f32(element), to_f32(c), product).result, info.dtype)

    identity = ir.AffineMap.get_identity(info.rank)
    tables = [broadcast_map(tw.tensor_info(t).shape, info.shape) for t in (cos, sin)]
    (out,) = builder.generic([x, cos, sin], [identity, *tables], [builder.empty(info)], [identity], ["parallel"] * info.rank, body)
    return out
