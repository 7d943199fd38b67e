"""`tw.reduce` to a generic with reduction iterators."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, from_f32, scalar_constant, to_f32, wide_dtype
from tilewright.lowering.linalg.registry import lowers

_FLOAT: dict[str, Callable[..., ir.OpView]] = {
    "add": arith.AddFOp,
    "mul": arith.MulFOp,
    "max": arith.MaximumFOp,
    "min": arith.MinimumFOp,
}
_INTEGER: dict[str, Callable[..., ir.OpView]] = {
    "add": arith.AddIOp,
    "mul": arith.MulIOp,
    "max": arith.MaxSIOp,
    "min": arith.MinSIOp,
    "and": arith.AndIOp,
    "or": arith.OrIOp,
}


def neutral(kind: str, dtype: str) -> float:
    """The element that changes nothing."""
    if dtype in tw.FLOATS:
        return {"add": 0.0, "mul": 1.0, "max": -float("inf"), "min": float("inf")}[kind]
    bits = int(dtype[1:])
    lowest, highest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if dtype == "i1":
        # As booleans: true is larger than false.
        return {"add": 0, "mul": 1, "max": 0, "min": -1, "and": -1, "or": 0}[kind]
    return {"add": 0, "mul": 1, "max": lowest, "min": highest, "and": -1, "or": 0}[kind]


@lowers("reduce")
def reduce(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """16-bit floats are accumulated in f32. Booleans are combined as booleans (max is or, min is and)."""
    value = builder.of(op.operation.operands[0])
    info, result = tw.tensor_info(value), tw.tensor_info(op.operation.results[0])
    dims, kind = tuple(tw.get(op, "dims")), str(tw.get(op, "kind"))
    if info.dtype == "i1":
        kind = {"max": "or", "min": "and", "add": "or", "mul": "and"}.get(kind, kind)
    wide = wide_dtype(info.dtype)
    combine = (_FLOAT if info.dtype in tw.FLOATS else _INTEGER)[kind]
    out = builder.reduce(
        value, dims, scalar_constant(neutral(kind, info.dtype), wide), lambda x, acc: combine(acc, to_f32(x)).result, dtype=wide
    )
    if wide != info.dtype:
        narrow = tw.tensor_info(out).with_dtype(info.dtype)
        out = builder.pointwise([out], narrow, lambda x: from_f32(x, info.dtype))
    return builder.reshape(out, result.shape)
