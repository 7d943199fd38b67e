"""What each kind computes, in PyTorch: the module that Tilewright compiles, the peers' form, and in float64 the reference."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks.pointwise.cases import KINDS

Tensor = torch.Tensor


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), weight, bias, 1e-5)


def add_rms_silu(x: Tensor, residual: Tensor, gate: Tensor, weight: Tensor) -> Tensor:
    h = x + residual
    return F.silu(gate) * F.rms_norm(h, (h.shape[-1],), weight, 1e-6)


def gelu(x: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    return F.gelu(x + bias) * residual


def gather_layer_norm(table: Tensor, ids: Tensor, positions: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    embedded = F.embedding(ids, table) + positions[: ids.shape[1]]
    return F.layer_norm(embedded, (table.shape[1],), weight, bias, 1e-12)


def transpose_rope(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    x = x.transpose(1, 2)
    half = x.shape[-1] // 2
    return (x * cosine + torch.cat((-x[..., half:], x[..., :half]), -1) * sine).contiguous()


def heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).contiguous()


def column_sum(x: Tensor) -> Tensor:
    return x.sum(0)


def mean_pool(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def transpose(x: Tensor) -> Tensor:
    return x.t().contiguous()


FORMS: dict[str, Callable[..., Tensor]] = {
    form.__name__: form
    for form in (softmax, layer_norm, add_rms_silu, gelu, gather_layer_norm, transpose_rope, heads, column_sum, mean_pool, transpose)
}
assert FORMS.keys() == KINDS.keys()
