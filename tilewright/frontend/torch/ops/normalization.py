"""Softmax and normalizations."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tilewright.core.mlir import ir
from tilewright.core.mlir import math as mlir_math
from tilewright.core.symbolic import Dim, product
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.dtypes import compute_type
from tilewright.frontend.torch.emitter import Emitter
from tilewright.frontend.torch.registry import imports


@imports("aten.softmax.int", "aten._softmax.default")
def softmax(emit: Emitter, x: ir.Value, dim: int, *_: object, dtype: torch.dtype | None = None) -> ir.Value:
    return _softmax(emit, x, dim, log=False)


@imports("aten.log_softmax.int", "aten._log_softmax.default")
def log_softmax(emit: Emitter, x: ir.Value, dim: int, *_: object, dtype: torch.dtype | None = None) -> ir.Value:
    return _softmax(emit, x, dim, log=True)


def _softmax(emit: Emitter, x: ir.Value, dim: int, log: bool) -> ir.Value:
    x = emit.cast(x, emit.dtype)
    rank = tw.tensor_info(x).rank
    if rank == 0:
        return emit.full((), 0.0 if log else 1.0, emit.dtype)
    return emit.build("softmax", x, dim=emit.axis(dim, rank), log=log)


@imports("aten._safe_softmax.default")
def safe_softmax(emit: Emitter, x: ir.Value, dim: int, dtype: torch.dtype | None = None) -> ir.Value:
    """A row of -inf only gives 0 instead of NaN."""
    result = _softmax(emit, x, dim, log=False)
    axis = emit.axis(dim, tw.tensor_info(x).rank)
    top = emit.reduce(emit.cast(x, emit.dtype), [axis], "max", keep_dims=True)

    def body(p: ir.Value, m: ir.Value) -> ir.Value:
        return sc.select(sc.compare("eq", m, sc.like(m, float("-inf"))), sc.like(p, 0.0), p)

    return emit.map(body, result, top)


@imports("aten.layer_norm.default")
def layer_norm(
    emit: Emitter,
    x: ir.Value,
    normalized_shape: Sequence[int],
    weight: ir.Value | None = None,
    bias: ir.Value | None = None,
    eps: float = 1e-5,
    *_: object,
) -> ir.Value:
    dtype = tw.tensor_info(x).dtype
    parameters = [None if p is None else emit.cast(p, dtype) for p in (weight, bias)]
    return emit.build("layer_norm", x, *parameters, eps=eps, axes=len(normalized_shape))


@imports("aten.native_layer_norm.default")
def native_layer_norm(
    emit: Emitter, x: ir.Value, normalized_shape: Sequence[int], weight: ir.Value | None, bias: ir.Value | None, eps: float
) -> list[ir.Value | None]:
    results: list[ir.Value | None] = [layer_norm(emit, x, normalized_shape, weight, bias, eps), None, None]
    used = emit.used_results()
    if 1 in used or 2 in used:
        rank = tw.tensor_info(x).rank
        mean, rstd = _statistics(emit, x, list(range(rank - len(normalized_shape), rank)), eps)
        results[1:] = [mean, rstd]
    return results


def _statistics(emit: Emitter, x: ir.Value, axes: Sequence[int], eps: float) -> tuple[ir.Value, ir.Value]:
    """Mean and reciprocal standard deviation over `axes`, which stay with size 1."""
    info = tw.tensor_info(x)
    compute = compute_type(info.dtype)
    count = product(info.shape[a] for a in axes)
    mean = emit.map(sc.div, emit.reduce(emit.cast(x, compute), axes, "add", True), count, compute=compute, out=compute)
    square = emit.map(lambda a, m: sc.mul(sc.sub(a, m), sc.sub(a, m)), x, mean, compute=compute, out=compute)
    total = emit.reduce(square, axes, "add", True)
    rstd = emit.map(lambda s, n, e: mlir_math.rsqrt(sc.add(sc.div(s, n), e)), total, count, eps, compute=compute, out=compute)
    return mean, rstd


@imports("aten.rms_norm.default", "aten._fused_rms_norm.default")
def rms_norm(
    emit: Emitter, x: ir.Value, normalized_shape: Sequence[Dim], weight: ir.Value | None = None, eps: float | None = None
) -> ir.Value | list[ir.Value | None]:
    info = tw.tensor_info(x)
    fused = "_fused" in str(emit.node.target)
    if fused and 1 in emit.used_results():
        emit.reject("the second result of _fused_rms_norm is used", "it exists for training; export the model in eval mode")
    if eps is None:
        eps = torch.finfo(emit.node.args[0].meta["val"].dtype).eps  # type: ignore[union-attr]
    axes = len(normalized_shape)
    weight = None if weight is None else emit.cast(weight, info.dtype)
    # Several normalized dimensions are one dimension in row-major order.
    leading = info.shape[: info.rank - axes]
    if axes > 1:
        inner = product(info.shape[info.rank - axes :])
        x = emit.reshape(x, (*leading, inner))
        weight = None if weight is None else emit.reshape(weight, (inner,))
    result = emit.reshape(emit.build("rms_norm", x, weight, eps=eps), info.shape)
    return [result, None] if fused else result


@imports("aten.group_norm.default")
def group_norm(
    emit: Emitter,
    x: ir.Value,
    groups: int,
    weight: ir.Value | None = None,
    bias: ir.Value | None = None,
    eps: float = 1e-5,
    *_: object,
) -> ir.Value:
    dtype = tw.tensor_info(x).dtype
    parameters = [None if p is None else emit.cast(p, dtype) for p in (weight, bias)]
    return emit.build("group_norm", x, *parameters, groups=groups, eps=eps)


@imports("aten.native_group_norm.default")
def native_group_norm(
    emit: Emitter, x: ir.Value, weight: ir.Value | None, bias: ir.Value | None, n: Dim, c: Dim, hxw: Dim, groups: int, eps: float
) -> list[ir.Value | None]:
    if emit.used_results() - {0}:
        emit.reject("the statistics of native_group_norm are used", "they exist for training; export the model in eval mode")
    return [group_norm(emit, x, groups, weight, bias, eps), None, None]


@imports("aten.instance_norm.default")
def instance_norm(
    emit: Emitter,
    x: ir.Value,
    weight: ir.Value | None,
    bias: ir.Value | None,
    running_mean: ir.Value | None,
    running_var: ir.Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *_: object,
) -> ir.Value:
    if not use_input_stats:
        return batch_norm(emit, x, weight, bias, running_mean, running_var, False, momentum, eps)
    channels = tw.tensor_info(x).shape[1]
    if not isinstance(channels, int):
        emit.reject("instance_norm needs a static number of channels")
    return group_norm(emit, x, channels, weight, bias, eps)


@imports("aten.batch_norm.default")
def batch_norm(
    emit: Emitter,
    x: ir.Value,
    weight: ir.Value | None,
    bias: ir.Value | None,
    mean: ir.Value | None,
    variance: ir.Value | None,
    training: bool,
    momentum: float,
    eps: float,
    *_: object,
) -> ir.Value:
    if training and mean is not None:
        emit.reject("batch norm that updates its statistics", "export the model in eval mode: model.eval()")
    if mean is None or variance is None:
        return batch_norm_of_batch(emit, x, weight, bias, True, momentum, eps)[0]
    ones = (1,) * (tw.tensor_info(x).rank - 2)

    def per_channel(p: ir.Value) -> ir.Value:
        return emit.reshape(p, (tw.tensor_info(p).shape[0], *ones))

    compute = compute_type(tw.tensor_info(x).dtype)
    operands = [x, per_channel(mean), per_channel(variance), *(per_channel(p) for p in (weight, bias) if p is not None)]

    def body(a: ir.Value, m: ir.Value, v: ir.Value, *affine: ir.Value) -> ir.Value:
        rest = list(affine)
        scale = sc.value_of(mlir_math.rsqrt(sc.add(v, sc.like(v, eps))))
        if weight is not None:
            scale = sc.mul(scale, rest.pop(0))
        result = sc.mul(sc.sub(a, m), scale)
        return result if bias is None else sc.add(result, rest.pop(0))

    return emit.map(body, *operands, compute=compute, out=tw.tensor_info(x).dtype)


@imports("aten._native_batch_norm_legit.no_stats")
def batch_norm_of_batch(
    emit: Emitter, x: ir.Value, weight: ir.Value | None, bias: ir.Value | None, training: bool, momentum: float, eps: float
) -> list[ir.Value]:
    """Normalizes each channel by its statistics over batch and positions; also returns mean and reciprocal standard deviation."""
    info = tw.tensor_info(x)
    mean, rstd = _statistics(emit, x, [d for d in range(info.rank) if d != 1], eps)
    channel = (info.shape[1], *(1,) * (info.rank - 2))
    affine = [emit.reshape(p, channel) for p in (weight, bias) if p is not None]

    def body(a: ir.Value, m: ir.Value, r: ir.Value, *parameters: ir.Value) -> ir.Value:
        rest = list(parameters)
        result = sc.mul(sc.sub(a, m), r)
        result = result if weight is None else sc.mul(result, rest.pop(0))
        return result if bias is None else sc.add(result, rest.pop(0))

    out = emit.map(body, x, mean, rstd, *affine, compute=compute_type(info.dtype), out=info.dtype)
    return [out, emit.reshape(mean, info.shape[1:2]), emit.reshape(rstd, info.shape[1:2])]


@imports("aten._native_batch_norm_legit_no_training.default")
def native_batch_norm(
    emit: Emitter,
    x: ir.Value,
    weight: ir.Value | None,
    bias: ir.Value | None,
    mean: ir.Value,
    variance: ir.Value,
    momentum: float,
    eps: float,
) -> list[ir.Value | None]:
    return [batch_norm(emit, x, weight, bias, mean, variance, False, momentum, eps), None, None]
