"""Masks, and attention as matmuls and a softmax, in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.attention.cases import DECAY, SOFTCAP, WINDOW, Case
from benchmarks.suite.torch_tensors import tensor

Tensor = torch.Tensor


def mask_of(case: Case, operands: dict[str, np.ndarray]) -> Tensor | None:
    """What `attn_mask` has to be: all of the case's mask, triangle, window and changed scores; None for the plain forms."""
    if case.variant in ("plain", "softcap"):
        return None
    if case.variant == "mask":
        return tensor(operands["mask"], case.dtype)
    distance = torch.arange(case.queries)[:, None] + (case.keys - case.queries) - torch.arange(case.keys)
    visible = distance >= 0 if case.causal else torch.ones_like(distance, dtype=torch.bool)
    if case.variant == "padding":
        mask = torch.from_numpy(operands["mask"])
        return visible & mask if case.causal else mask
    if case.variant == "window":
        return visible & (distance < WINDOW)
    slopes = torch.from_numpy(operands["slopes"]) if case.variant == "alibi" else torch.full((1, 1, 1, 1), DECAY)
    added = -slopes * (distance if case.variant == "alibi" else distance.abs())
    return added.masked_fill(~visible, -torch.inf).to(torch.bfloat16 if case.dtype == "bf16" else torch.float32)


def capped(case: Case, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention with a soft cap."""
    return matmuls(case, q, k, v, lambda scores: SOFTCAP * torch.tanh(scores / SOFTCAP))


def matmuls(case: Case, q: Tensor, k: Tensor, v: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Attention as two matmuls and a softmax, with `change` between."""
    group = case.heads // case.kv_heads
    if group > 1:
        k, v = (x.repeat_interleave(group, 1) for x in (k, v))
    scores = q @ k.transpose(-1, -2) * case.size**-0.5
    if change is not None:
        scores = change(scores)
    if case.causal:
        hidden = torch.ones(case.queries, case.keys, dtype=torch.bool).triu(1 + case.keys - case.queries)
        scores = scores.masked_fill(hidden, -torch.inf)
    return torch.softmax(scores, -1) @ v
