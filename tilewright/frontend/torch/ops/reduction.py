"""Reductions, arg-reductions and scans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tilewright.core.mlir import ir
from tilewright.core.mlir import math as mlir_math
from tilewright.core.symbolic import Dim, product
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.dtypes import compute_type, is_float
from tilewright.frontend.torch.emitter import Emitter
from tilewright.frontend.torch.registry import imports

Dims = Sequence[int] | int | None


def _count(emit: Emitter, x: ir.Value, axes: Sequence[int]) -> Dim:
    shape = tw.tensor_info(x).shape
    return product(shape[a] for a in axes)


def _sum(emit: Emitter, x: ir.Value, axes: Sequence[int], keep_dims: bool) -> ir.Value:
    return emit.build("reduce", x, dims=tuple(axes), kind="add", keep_dims=keep_dims) if axes else x


@imports("aten.sum.default", "aten.sum.dim_IntList")
def reduce_sum(emit: Emitter, x: ir.Value, dims: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> ir.Value:
    axes = emit.axes(dims, tw.tensor_info(x).rank)
    wide = emit.cast(x, compute_type(emit.dtype))
    return emit.cast(_sum(emit, wide, axes, keepdim), emit.dtype)


@imports("aten.mean.default", "aten.mean.dim")
def mean(emit: Emitter, x: ir.Value, dims: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> ir.Value:
    axes = emit.axes(dims, tw.tensor_info(x).rank)
    total = _sum(emit, emit.cast(x, compute_type(emit.dtype)), axes, keepdim)
    return emit.map(sc.div, total, _count(emit, x, axes), compute=compute_type(emit.dtype))


@imports("aten.adaptive_avg_pool1d.default", "aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default",
         "aten.adaptive_avg_pool3d.default")  # fmt: skip
def adaptive_avg_pool(emit: Emitter, x: ir.Value, output_size: Sequence[int]) -> ir.Value:
    if any(size != 1 for size in output_size):
        emit.reject(f"adaptive average pooling to {list(output_size)}", "supported: to one element, which is a mean")
    rank = tw.tensor_info(x).rank
    return mean(emit, x, list(range(rank - len(output_size), rank)), keepdim=True)


@imports("aten.prod.default", "aten.prod.dim_int")
def prod(emit: Emitter, x: ir.Value, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> ir.Value:
    wide = emit.cast(x, compute_type(emit.dtype))
    return emit.cast(emit.reduce(wide, emit.axes(dim, tw.tensor_info(x).rank), "mul", keepdim), emit.dtype)


@imports("aten.amax.default")
def amax(emit: Emitter, x: ir.Value, dims: Dims = None, keepdim: bool = False) -> ir.Value:
    return _extreme(emit, x, emit.axes(dims, tw.tensor_info(x).rank), "max", keepdim)


@imports("aten.amin.default")
def amin(emit: Emitter, x: ir.Value, dims: Dims = None, keepdim: bool = False) -> ir.Value:
    return _extreme(emit, x, emit.axes(dims, tw.tensor_info(x).rank), "min", keepdim)


@imports("aten.max.default")
def max_all(emit: Emitter, x: ir.Value) -> ir.Value:
    return _extreme(emit, x, emit.axes(None, tw.tensor_info(x).rank), "max", False)


@imports("aten.min.default")
def min_all(emit: Emitter, x: ir.Value) -> ir.Value:
    return _extreme(emit, x, emit.axes(None, tw.tensor_info(x).rank), "min", False)


def _extreme(emit: Emitter, x: ir.Value, axes: Sequence[int], kind: str, keep_dims: bool) -> ir.Value:
    if tw.tensor_info(x).dtype == "i1":
        kind = {"max": "or", "min": "and"}[kind]
    return emit.reduce(x, axes, kind, keep_dims)


@imports("aten.max.dim")
def max_dim(emit: Emitter, x: ir.Value, dim: int, keepdim: bool = False) -> list[ir.Value | None]:
    return _extreme_with_index(emit, x, dim, keepdim, "max")


@imports("aten.min.dim")
def min_dim(emit: Emitter, x: ir.Value, dim: int, keepdim: bool = False) -> list[ir.Value | None]:
    return _extreme_with_index(emit, x, dim, keepdim, "min")


def _extreme_with_index(emit: Emitter, x: ir.Value, dim: int, keepdim: bool, kind: str) -> list[ir.Value | None]:
    rank = tw.tensor_info(x).rank
    used = emit.used_results()
    values = _extreme(emit, x, [emit.axis(dim, rank)] if rank else [], kind, keepdim) if 0 in used else None
    indices = _arg_extreme(emit, x, dim, keepdim, kind) if 1 in used else None
    return [values, indices]


@imports("aten.argmax.default")
def argmax(emit: Emitter, x: ir.Value, dim: int | None = None, keepdim: bool = False) -> ir.Value:
    return _arg_extreme(emit, x, dim, keepdim, "max")


@imports("aten.argmin.default")
def argmin(emit: Emitter, x: ir.Value, dim: int | None = None, keepdim: bool = False) -> ir.Value:
    return _arg_extreme(emit, x, dim, keepdim, "min")


def _arg_extreme(emit: Emitter, x: ir.Value, dim: int | None, keepdim: bool, kind: str) -> ir.Value:
    info = tw.tensor_info(x)
    if info.rank == 0:
        return emit.number(0, "i64")
    if kind == "min":
        # The complement reverses the order of integers without overflow, unlike the negative.
        x = tw.pointwise([x], lambda a: sc.neg(a) if is_float(info.dtype) else sc.invert(a), loc=emit.loc)
    if dim is None:
        flat = emit.build("argmax", emit.reshape(x, (product(info.shape),)), dim=0)
        return emit.reshape(flat, (1,) * info.rank if keepdim else ())
    return emit.build("argmax", x, dim=emit.axis(dim, info.rank), keep_dims=keepdim)


@imports("aten.any.default", "aten.any.dim", "aten.any.dims")
def reduce_any(emit: Emitter, x: ir.Value, dims: Dims = None, keepdim: bool = False) -> ir.Value:
    return emit.reduce(emit.cast(x, "i1"), emit.axes(dims, tw.tensor_info(x).rank), "or", keepdim)


@imports("aten.all.default", "aten.all.dim", "aten.all.dims")
def reduce_all(emit: Emitter, x: ir.Value, dims: Dims = None, keepdim: bool = False) -> ir.Value:
    return emit.reduce(emit.cast(x, "i1"), emit.axes(dims, tw.tensor_info(x).rank), "and", keepdim)


@imports("aten.count_nonzero.default", "aten.count_nonzero.dim_IntList")
def count_nonzero(emit: Emitter, x: ir.Value, dims: Dims = None) -> ir.Value:
    return _sum(emit, emit.cast(emit.cast(x, "i1"), "i64"), emit.axes(dims, tw.tensor_info(x).rank), False)


@imports("aten.var.correction", "aten.var.default", "aten.var.dim")
def var(emit: Emitter, x: ir.Value, *args: Any, correction: float | None = None, keepdim: bool = False) -> ir.Value:
    return emit.cast(_variance(emit, x, *_variance_arguments(emit, args, correction, keepdim))[0], emit.dtype)


@imports("aten.std.correction", "aten.std.default", "aten.std.dim")
def std(emit: Emitter, x: ir.Value, *args: Any, correction: float | None = None, keepdim: bool = False) -> ir.Value:
    variance = _variance(emit, x, *_variance_arguments(emit, args, correction, keepdim))[0]
    return emit.map(mlir_math.sqrt, variance)


@imports("aten.var_mean.correction", "aten.var_mean.default", "aten.var_mean.dim")
def var_mean(emit: Emitter, x: ir.Value, *args: Any, correction: float | None = None, keepdim: bool = False) -> list[ir.Value]:
    return [emit.cast(v, emit.dtype) for v in _variance(emit, x, *_variance_arguments(emit, args, correction, keepdim))]


def _variance_arguments(emit: Emitter, args: Sequence[Any], correction: float | None, keepdim: bool) -> tuple[Dims, float, bool]:
    """Dimensions, correction and keepdim of the three overloads: (), (unbiased) or (dims, unbiased, keepdim), and by keyword."""
    rest = list(args)
    overload = str(emit.node.target).rsplit(".", 1)[1]
    dims: Dims = None if overload == "default" or not rest else rest.pop(0)
    if rest:
        correction = float(rest.pop(0))
    if rest:
        keepdim = bool(rest.pop(0))
    return dims, 1.0 if correction is None else float(correction), keepdim


def _variance(emit: Emitter, x: ir.Value, dims: Dims, correction: float, keep_dims: bool) -> list[ir.Value]:
    """Variance and mean, in two passes as torch does, in the compute type."""
    info = tw.tensor_info(x)
    axes = emit.axes(dims, info.rank)
    compute = compute_type(info.dtype)
    count = _count(emit, x, axes)
    wide = emit.cast(x, compute)
    average = emit.map(sc.div, _sum(emit, wide, axes, True), count, compute=compute, out=compute)
    square = emit.map(lambda a, m: sc.mul(sc.sub(a, m), sc.sub(a, m)), wide, average, compute=compute, out=compute)
    zero = 0.0

    def normalize(total: ir.Value, n: ir.Value) -> ir.Value:
        return sc.div(total, sc.maximum(sc.sub(n, sc.like(n, correction)), sc.like(n, zero)))

    result = emit.map(normalize, _sum(emit, square, axes, keep_dims), count, compute=compute, out=compute)
    shape = tw.tensor_info(result).shape
    return [result, emit.reshape(average, shape)]


@imports("aten.logsumexp.default")
def logsumexp(emit: Emitter, x: ir.Value, dims: Dims, keepdim: bool = False) -> ir.Value:
    axes = emit.axes(dims, tw.tensor_info(x).rank)
    compute = compute_type(emit.dtype)
    wide = emit.cast(x, compute)
    top = emit.reduce(wide, axes, "max", True)

    def finite(a: ir.Value) -> ir.Value:
        return sc.select(sc.compare("lt", sc.absolute(a), sc.like(a, float("inf"))), a, sc.like(a, 0.0))

    top = emit.map(finite, top, compute=compute, out=compute)
    exps = emit.map(lambda a, m: mlir_math.exp(sc.sub(a, m)), wide, top, compute=compute, out=compute)
    total = _sum(emit, exps, axes, keepdim)
    top = emit.reshape(top, tw.tensor_info(total).shape)
    return emit.map(lambda s, m: sc.add(sc.value_of(mlir_math.log(s)), m), total, top, compute=compute)


@imports("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim", "aten.norm.Scalar", "aten.norm.ScalarOpt_dim_dtype")
def vector_norm(
    emit: Emitter, x: ir.Value, order: float | None = 2, dims: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> ir.Value:
    axes = emit.axes(dims, tw.tensor_info(x).rank)
    order = 2.0 if order is None else float(order)
    compute = compute_type(emit.dtype)
    prepare, kind, finish = _norm_steps(order)
    powers = emit.map(prepare, x, compute=compute, out=compute)
    total = emit.reduce(powers, axes, kind, keepdim)
    return emit.map(finish, total, compute=compute)


def _norm_steps(order: float) -> tuple[Callable[[ir.Value], Any], str, Callable[[ir.Value], Any]]:
    """What a vector norm does before the reduction, its kind, and what it does after."""
    if order == float("inf"):
        return sc.absolute, "max", lambda s: s
    if order == float("-inf"):
        return sc.absolute, "min", lambda s: s
    if order == 2:
        return lambda a: sc.mul(a, a), "add", mlir_math.sqrt
    if order == 1:
        return sc.absolute, "add", lambda s: s
    if order == 0:
        return lambda a: sc.cast(sc.compare("ne", a, sc.like(a, 0)), sc.dtype_of(a)), "add", lambda s: s
    return (
        lambda a: sc.power(sc.absolute(a), sc.like(a, order)),
        "add",
        lambda s: sc.power(s, sc.like(s, 1.0 / order)),
    )


@imports("aten.cumsum.default")
def cumsum(emit: Emitter, x: ir.Value, dim: int, *, dtype: torch.dtype | None = None) -> ir.Value:
    return _scan(emit, x, dim, "add")


@imports("aten.cumprod.default")
def cumprod(emit: Emitter, x: ir.Value, dim: int, *, dtype: torch.dtype | None = None) -> ir.Value:
    return _scan(emit, x, dim, "mul")


def _scan(emit: Emitter, x: ir.Value, dim: int, kind: str) -> ir.Value:
    rank = tw.tensor_info(x).rank
    wide = emit.cast(x, compute_type(emit.dtype))
    if rank == 0:
        return emit.cast(wide, emit.dtype)
    return emit.cast(emit.build("scan", wide, dim=emit.axis(dim, rank), kind=kind), emit.dtype)
