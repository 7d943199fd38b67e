"""Softmax and normalizations as reductions and pointwise ops. Statistics are computed in f32, or wider."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import product
from tilewright.passes.decompose.registry import compute_dtype, decomposes
from tilewright.passes.rewrite import Rewriter


def reduce(rw: Rewriter, value: ir.Value, dims: Sequence[int], kind: str) -> ir.Value:
    """A reduction that keeps its dimensions with size 1."""
    return rw.build("reduce", value, dims=dims, kind=kind, keep_dims=True)


def mean(rw: Rewriter, value: ir.Value, dims: Sequence[int]) -> ir.Value:
    """The mean along dimensions, which stay with size 1."""
    t, dtype = rw.scalars, rw.info(value).dtype
    count = product(rw.shape(value)[d] for d in dims)
    total = reduce(rw, value, dims, "add")
    if isinstance(count, int):
        return rw.map(lambda x: t.arith("divf", x, t.constant(count, dtype)), total)
    return rw.map(lambda x, n: t.arith("divf", x, t.cast(n, dtype)), total, rw.build("dim", expr=count))


@decomposes("softmax")
def softmax(rw: Rewriter, op: ir.Operation) -> Sequence[ir.Value]:
    """`e = exp(x - max x)`, `e / sum e`, or `x - max x - log(sum e)`."""
    t, dim, result = rw.scalars, rw.attribute(op, "dim"), rw.info(op.results[0]).dtype
    x = rw.cast(op.operands[0], compute_dtype(result))
    shifted = rw.map(lambda a, m: t.arith("subf", a, m), x, reduce(rw, x, (dim,), "max"))
    exponential = rw.map(lambda a: t.math("exp", a), shifted)
    total = reduce(rw, exponential, (dim,), "add")
    if rw.attribute(op, "log"):
        return [rw.map(lambda a, s: t.cast(t.arith("subf", a, t.math("log", s)), result), shifted, total)]
    return [rw.map(lambda e, s: t.cast(t.arith("divf", e, s), result), exponential, total)]


def _normalized(rw: Rewriter, x: ir.Value, dims: Sequence[int], eps: float, *, centered: bool) -> ir.Value:
    """x, less its mean when `centered`, over its root mean square."""
    t, dtype = rw.scalars, rw.info(x).dtype
    if centered:
        x = rw.map(lambda a, m: t.arith("subf", a, m), x, mean(rw, x, dims))
    square = mean(rw, rw.map(lambda a: t.arith("mulf", a, a), x), dims)
    return rw.map(lambda a, s: t.arith("mulf", a, t.math("rsqrt", t.arith("addf", s, t.constant(eps, dtype)))), x, square)


def _with_affine(rw: Rewriter, x: ir.Value, weight: ir.Value | None, bias: ir.Value | None, result: str) -> ir.Value:
    t, dtype = rw.scalars, rw.info(x).dtype
    if weight is not None:
        x = rw.map(lambda a, w: t.arith("mulf", a, t.cast(w, dtype)), x, weight)
    if bias is not None:
        x = rw.map(lambda a, b: t.arith("addf", a, t.cast(b, dtype)), x, bias)
    return rw.cast(x, result)


@decomposes("layer_norm")
def layer_norm(rw: Rewriter, op: ir.Operation) -> Sequence[ir.Value]:
    """`(x - mean) * rsqrt(mean((x - mean)^2) + eps) * weight + bias`."""
    groups, info = rw.groups(op), rw.info(op.results[0])
    x = rw.cast(groups["input"], compute_dtype(info.dtype))
    dims = range(info.rank - rw.attribute(op, "axes"), info.rank)
    normal = _normalized(rw, x, dims, rw.attribute(op, "eps"), centered=True)
    return [_with_affine(rw, normal, groups["weight"], groups["bias"], info.dtype)]


@decomposes("rms_norm")
def rms_norm(rw: Rewriter, op: ir.Operation) -> Sequence[ir.Value]:
    """`x * rsqrt(mean(x^2) + eps) * weight`."""
    groups, info = rw.groups(op), rw.info(op.results[0])
    x = rw.cast(groups["input"], compute_dtype(info.dtype))
    normal = _normalized(rw, x, (info.rank - 1,), rw.attribute(op, "eps"), centered=False)
    return [_with_affine(rw, normal, groups["weight"], None, info.dtype)]


@decomposes("group_norm")
def group_norm(rw: Rewriter, op: ir.Operation) -> Sequence[ir.Value]:
    """Layer normalization of `[N, groups, everything else]`, then weight and bias by channel."""
    groups, info = rw.groups(op), rw.info(op.results[0])
    x = rw.cast(groups["input"], compute_dtype(info.dtype))
    count = rw.attribute(op, "groups")
    channels = info.shape[1]
    assert isinstance(channels, int)
    rows = rw.reshape(x, (info.shape[0], count, product([channels // count, *info.shape[2:]])))
    normal = rw.reshape(_normalized(rw, rows, (2,), rw.attribute(op, "eps"), centered=True), info.shape)
    by_channel = [None if p is None else rw.reshape(p, (channels, *(1,) * (info.rank - 2))) for p in (groups["weight"], groups["bias"])]
    return [_with_affine(rw, normal, by_channel[0], by_channel[1], info.dtype)]
