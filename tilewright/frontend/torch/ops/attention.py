"""Scaled dot-product attention in the forms that torch has for it: all become `tw.attention`."""

from __future__ import annotations

import math
from typing import Any

from tilewright.core.mlir import ir
from tilewright.core.symbolic import product
from tilewright.dialects import tw
from tilewright.frontend.torch.emitter import Emitter
from tilewright.frontend.torch.registry import imports


@imports("aten.scaled_dot_product_attention.default")
def scaled_dot_product_attention(
    emit: Emitter,
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    attn_mask: ir.Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> ir.Value:
    if dropout_p:
        emit.reject("attention with dropout", "export the model in eval mode: model.eval()")
    return _attention(emit, q, k, v, attn_mask, is_causal, scale)[0]


@imports("aten._scaled_dot_product_flash_attention_for_cpu.default")
def flash_attention_for_cpu(
    emit: Emitter,
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: ir.Value | None = None,
    scale: float | None = None,
) -> list[ir.Value | None]:
    if dropout_p:
        emit.reject("attention with dropout", "export the model in eval mode: model.eval()")
    return list(_attention(emit, q, k, v, attn_mask, is_causal, scale, logsumexp=1 in emit.used_results()))


@imports("aten._scaled_dot_product_attention_math.default", "aten._scaled_dot_product_flash_attention.default")
def attention_math(
    emit: Emitter,
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    *args: Any,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> list[ir.Value | None]:
    """`_math` takes (mask, dropout_p, is_causal, dropout_mask), `_flash_attention` (dropout_p, is_causal, return_debug_mask)."""
    rest = list(args)
    mask = rest.pop(0) if rest and "math" in str(emit.node.target) else None
    dropout = float(rest.pop(0)) if rest else 0.0
    causal = bool(rest.pop(0)) if rest else False
    if mask is not None:
        # Below scaled_dot_product_attention a mask is a number to add, whatever its type.
        mask = emit.cast(mask, tw.tensor_info(q).dtype)
    return _inference_only(emit, q, k, v, mask, dropout, causal, scale)


@imports("aten._scaled_dot_product_efficient_attention.default", "aten._scaled_dot_product_cudnn_attention.default")
def efficient_attention(
    emit: Emitter,
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    mask: ir.Value | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *_: object,
    scale: float | None = None,
) -> list[ir.Value | None]:
    return _inference_only(emit, q, k, v, mask, dropout_p, is_causal, scale)


@imports("aten._scaled_dot_product_fused_attention_overrideable.default")
def overrideable_attention(
    emit: Emitter,
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    mask: ir.Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *_: object,
    scale: float | None = None,
) -> list[ir.Value | None]:
    return _inference_only(emit, q, k, v, mask, dropout_p, is_causal, scale)


def _inference_only(
    emit: Emitter, q: ir.Value, k: ir.Value, v: ir.Value, mask: ir.Value | None, dropout: float, causal: bool, scale: float | None
) -> list[ir.Value | None]:
    if dropout:
        emit.reject("attention with dropout", "export the model in eval mode: model.eval()")
    if emit.used_results() - {0}:
        emit.reject("results of attention besides the output are used", "they exist for training; call scaled_dot_product_attention")
    return [_attention(emit, q, k, v, mask, causal, scale)[0], *[None] * (len(emit.node.meta["val"]) - 1)]


def _attention(
    emit: Emitter,
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    mask: ir.Value | None,
    causal: bool,
    scale: float | None,
    logsumexp: bool = False,
) -> tuple[ir.Value, ir.Value | None]:
    """Output and log-sum-exp. Dimensions before heads are one batch dimension of `tw.attention`; a missing head dimension is 1."""
    shape = tw.tensor_info(q).shape
    queries, keys = shape[-2], tw.tensor_info(k).shape[-2]
    if scale is None:
        if not isinstance(shape[-1], int):
            emit.reject(f"attention with a head size that is not fixed ({shape[-1]}) and no scale", "pass scale=")
        scale = 1.0 / math.sqrt(shape[-1])
    mask = _four_dims_mask(emit, mask, len(shape))
    if causal and mask is not None:
        emit.reject("attention that is causal and has a mask", "put the causal triangle into the mask")
    q, k, v = (_four_dims(emit, x) for x in (q, k, v))
    batch = tw.tensor_info(q).shape[0]
    # torch aligns the causal triangle with the first key, `tw.attention` with the last unless told where queries begin.
    first = emit.full((batch,), 0, "i64") if causal and queries != keys else None
    k, v = (emit.broadcast(x, (batch, *tw.tensor_info(x).shape[1:])) for x in (k, v))
    results = tw.build_many("attention", q, k, v, mask, None, first, loc=emit.loc, scale=float(scale), causal=causal, logsumexp=logsumexp)
    output = emit.reshape(results[0], (*shape[:-1], tw.tensor_info(v).shape[-1]))
    return output, emit.reshape(results[1], shape[:-1]) if logsumexp else None


def _four_dims(emit: Emitter, x: ir.Value) -> ir.Value:
    shape = tw.tensor_info(x).shape
    if len(shape) == 4:
        return x
    if len(shape) < 4:
        return emit.reshape(x, (*shape[:-2], *(1,) * (4 - len(shape)), *shape[-2:]))
    return emit.reshape(x, (product(shape[:-3]), *shape[-3:]))


def _four_dims_mask(emit: Emitter, mask: ir.Value | None, rank: int) -> ir.Value | None:
    if mask is None:
        return None
    info = tw.tensor_info(mask)
    if info.dtype not in ("i1", *tw.FLOATS):
        emit.reject(f"an attention mask of {info.dtype}", "use a bool or float mask")
    if rank == 3 and info.rank == 3:
        return emit.reshape(mask, (info.shape[0], 1, *info.shape[1:]))
    if rank > 4 and info.rank > 3 and any(d != 1 for d in info.shape[: info.rank - 3]):
        emit.reject("a mask that differs along the leading dimensions of attention with more than 4 dimensions")
    return _four_dims(emit, mask) if rank > 4 and info.rank > 4 else mask
