"""Softmax and the normalizations as reductions and maps. Statistics are f32 whatever the element type."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir, math
from tilewright.core.symbolic import Dim, product
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, float_constant, from_f32, to_f32, wide_dtype
from tilewright.lowering.linalg.registry import lowers


@lowers("softmax")
def softmax(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """max, exp(x - max), sum, product with 1 / sum. The maximum ignores NaN, which reaches the result through the sum."""
    value = builder.of(op.operation.operands[0])
    info, dim = tw.tensor_info(value), int(tw.get(op, "dim"))
    wide = wide_dtype(info.dtype)
    wide_info = info.with_dtype(wide)
    lowest = float_constant(-float("inf"), wide)
    largest = builder.reduce(value, (dim,), lowest, lambda x, acc: arith.MaxNumFOp(acc, to_f32(x)).result, dtype=wide)
    largest = builder.insert_ones(largest, [dim])
    shifted = builder.pointwise([value, largest], wide_info, lambda x, m: arith.SubFOp(to_f32(x), m).result)
    exponential = builder.pointwise([shifted], wide_info, _exp_nonpositive)
    total = builder.reduce(exponential, (dim,), float_constant(0.0, wide), lambda e, acc: arith.AddFOp(acc, e).result)
    total = builder.insert_ones(total, [dim])
    per_row = tw.tensor_info(total)
    if tw.get(op, "log"):
        logarithm = builder.pointwise([total], per_row, lambda t: math.LogOp(t).result)
        return builder.pointwise([shifted, logarithm], info, lambda x, t: from_f32(arith.SubFOp(x, t).result, info.dtype))
    inverse = builder.pointwise([total], per_row, lambda t: arith.DivFOp(float_constant(1.0, wide), t).result)
    return builder.pointwise([exponential, inverse], info, lambda e, i: from_f32(arith.MulFOp(e, i).result, info.dtype))


def _exp_nonpositive(x: ir.Value) -> ir.Value:
    """e^x of what is at most 0, which is marked: the loops then take fewer instructions."""
    exponential = math.ExpOp(x)
    exponential.operation.attributes["tw.nonpositive"] = ir.UnitAttr.get()
    return exponential.result


def _mean(builder: LinalgBuilder, value: ir.Value, dims: Sequence[int], count: Dim) -> ir.Value:
    """The mean over `dims`, with the dimensions kept as 1."""
    wide = wide_dtype(tw.tensor_info(value).dtype)
    total = builder.reduce(value, dims, float_constant(0.0, wide), lambda x, acc: arith.AddFOp(acc, to_f32(x)).result, dtype=wide)
    return builder.insert_ones(_scaled(builder, total, count), dims)


def _scaled(builder: LinalgBuilder, total: ir.Value, count: Dim) -> ir.Value:
    """`total / count`."""
    info = tw.tensor_info(total)
    inverse = _as(builder.reciprocal_of_count(count), info.dtype)
    return builder.pointwise([total], info, lambda t: arith.MulFOp(t, inverse).result)


def _as(value: ir.Value, dtype: str) -> ir.Value:
    return value if str(value.type) == dtype else arith.ExtFOp(tw.element_type(dtype), value).result


def _reciprocal_root(builder: LinalgBuilder, variance: ir.Value, eps: float) -> ir.Value:
    """`1 / sqrt(variance + eps)`."""
    info = tw.tensor_info(variance)

    def body(v: ir.Value) -> ir.Value:
        shifted = arith.AddFOp(v, float_constant(eps, info.dtype)).result
        return arith.DivFOp(float_constant(1.0, info.dtype), math.SqrtOp(shifted).result).result

    return builder.pointwise([variance], info, body)


def _normalize(
    builder: LinalgBuilder, value: ir.Value, dims: Sequence[int], eps: float, weight: ir.Value | None, bias: ir.Value | None
) -> ir.Value:
    """`(x - mean) / sqrt(var + eps) * weight + bias` over `dims`; weight and bias broadcast to x."""
    info = tw.tensor_info(value)
    wide = wide_dtype(info.dtype)
    count = product(info.shape[d] for d in dims)
    mean = _mean(builder, value, dims, count)
    centered = builder.pointwise([value, mean], info.with_dtype(wide), lambda x, m: arith.SubFOp(to_f32(x), m).result)
    squares = builder.reduce(centered, dims, float_constant(0.0, wide), lambda d, acc: arith.AddFOp(acc, arith.MulFOp(d, d).result).result)
    scale = _reciprocal_root(builder, builder.insert_ones(_scaled(builder, squares, count), dims), eps)
    operands = [centered, scale] + [p for p in (weight, bias) if p is not None]

    def body(d: ir.Value, s: ir.Value, *affine: ir.Value) -> ir.Value:
        rest = list(affine)
        out = arith.MulFOp(d, s).result
        if weight is not None and bias is not None:
            out = math.FmaOp(out, to_f32(rest[0]), to_f32(rest[1])).result
        elif weight is not None:
            out = arith.MulFOp(out, to_f32(rest[0])).result
        elif bias is not None:
            out = arith.AddFOp(out, to_f32(rest[0])).result
        return from_f32(out, info.dtype)

    return builder.pointwise(operands, info, body)


@lowers("layer_norm")
def layer_norm(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """Mean, variance of the centered values, then one map."""
    operands = {k: None if v is None else builder.of(v) for k, v in tw.operand_groups(op).items()}
    rank = tw.tensor_info(operands["input"]).rank
    dims = tuple(range(rank - int(tw.get(op, "axes")), rank))
    return _normalize(builder, operands["input"], dims, tw.get(op, "eps"), operands["weight"], operands["bias"])


@lowers("rms_norm")
def rms_norm(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """Mean of the squares, then one map."""
    operands = {k: None if v is None else builder.of(v) for k, v in tw.operand_groups(op).items()}
    value, weight = operands["input"], operands["weight"]
    info = tw.tensor_info(value)
    wide = wide_dtype(info.dtype)
    dim = info.rank - 1

    def square(x: ir.Value, acc: ir.Value) -> ir.Value:
        x = to_f32(x)
        return arith.AddFOp(acc, arith.MulFOp(x, x).result).result

    squares = builder.reduce(value, (dim,), float_constant(0.0, wide), square, dtype=wide)
    scale = _reciprocal_root(builder, builder.insert_ones(_scaled(builder, squares, info.shape[dim]), [dim]), tw.get(op, "eps"))

    def body(x: ir.Value, s: ir.Value, *w: ir.Value) -> ir.Value:
        out = arith.MulFOp(to_f32(x), s).result
        return from_f32(arith.MulFOp(out, to_f32(w[0])).result if w else out, info.dtype)

    return builder.pointwise([value, scale] + ([weight] if weight is not None else []), info, body)


@lowers("group_norm")
def group_norm(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """A layer norm of `x` as [N, groups, C / groups, positions] over the last two dimensions, with the affine part per channel."""
    operands = {k: None if v is None else builder.of(v) for k, v in tw.operand_groups(op).items()}
    value = operands["input"]
    info = tw.tensor_info(value)
    groups, channels = int(tw.get(op, "groups")), info.shape[1]
    if not isinstance(channels, int):
        raise ValueError("the verifier lets only static channel counts through")
    split = (info.shape[0], groups, channels // groups, product(info.shape[2:]))
    weight, bias = (
        None if p is None else builder.reshape(p, (groups, channels // groups, 1)) for p in (operands["weight"], operands["bias"])
    )
    out = _normalize(builder, builder.reshape(value, split), (2, 3), tw.get(op, "eps"), weight, bias)
    return builder.reshape(out, info.shape)
