"""torch.compile: `scaled_dot_product_attention`, matmuls with a softmax, and `flex_attention` for masks and changed scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from benchmarks.attention.cases import DECAY, SOFTCAP, WINDOW, Case
from benchmarks.attention.systems.torch_forms import matmuls
from benchmarks.suite.systems import NotApplicable, Variant
from benchmarks.suite.torch_tensors import fetch, tensor

LARGEST_SCORES = 128 << 20
"""Bytes of scores up to which the form that holds them is compiled too."""


class System:
    """Everything is compiled for the case's sizes."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        if case.paged or case.dtype == "s8" or case.is_memory:
            raise NotApplicable("it has no form of its own for caches of pages or integers, and its memory is not measured")
        torch.compiler.reset()
        forms: dict[str, Callable[..., Any]] = {}
        if case.variant == "plain":
            grouped = case.heads != case.kv_heads
            forms["sdpa"] = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=case.causal, enable_gqa=grouped)
            if 4 * case.batch * case.heads * case.queries * case.keys <= LARGEST_SCORES:
                forms["matmuls"] = lambda q, k, v: matmuls(case, q, k, v)
        else:
            forms["flex_attention"] = _flexible(case, operands)
        q = tensor(operands["q"], case.dtype)
        variants: list[Variant] = []
        for name, form in forms.items():
            compiled = torch.compile(form, dynamic=False)

            def bind(compiled: Callable[..., Any] = compiled) -> Callable[[], Any]:
                k, v = (tensor(operands[name], case.dtype) for name in "kv")
                return lambda: compiled(q, k, v)

            variants.append(Variant(name, [bind() for _ in range(copies)], fetch))
        return variants


def _flexible(case: Case, operands: dict[str, np.ndarray]) -> Callable[..., Any]:
    """`flex_attention` with the case's changes; masks become blocks that are skipped."""
    mask = torch.from_numpy(operands["mask"]) if "mask" in operands else None
    if case.variant == "mask":
        raise NotApplicable("a mask of numbers is no form of flex_attention of its own")
    slopes = torch.from_numpy(operands["slopes"])[0, :, 0, 0] if "slopes" in operands else None

    def visible(batch: Any, head: Any, query: Any, key: Any) -> Any:
        seen = query >= key if case.causal else query >= -1
        if case.variant == "window":
            seen = seen & (query - key < WINDOW)
        return seen if mask is None else seen & mask[batch, 0, 0, key]

    def change(score: Any, batch: Any, head: Any, query: Any, key: Any) -> Any:
        if slopes is not None:
            return score - slopes[head] * (query - key)
        if case.variant == "softcap":
            return SOFTCAP * torch.tanh(score / SOFTCAP)
        return score - DECAY * (query - key).abs()

    has_mask = case.causal or case.variant in ("padding", "window")
    blocks = create_block_mask(visible, case.batch, None, case.queries, case.keys, device="cpu") if has_mask else None
    scores = change if case.variant in ("alibi", "softcap", "score_mod") else None
    grouped = case.heads != case.kv_heads
    return lambda q, k, v: flex_attention(q, k, v, score_mod=scores, block_mask=blocks, enable_gqa=grouped)
