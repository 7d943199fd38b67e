"""PyTorch eager: `scaled_dot_product_attention`, with a boolean or additive mask where it has no attribute; matmuls for a soft cap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.attention.cases import Case
from benchmarks.attention.systems.torch_forms import capped, mask_of
from benchmarks.suite.resident_memory import peak_growth
from benchmarks.suite.systems import NotApplicable, Variant
from benchmarks.suite.torch_tensors import fetch, tensor


class System:
    """The mask is made beforehand."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        if case.paged or case.dtype == "s8":
            raise NotApplicable("scaled_dot_product_attention has no caches of pages or integers")
        if case.is_memory:
            return [_memory(case, operands)]
        q = tensor(operands["q"], case.dtype)
        mask = mask_of(case, operands)
        grouped = case.heads != case.kv_heads

        def bind() -> Callable[[], torch.Tensor]:
            k, v = (tensor(operands[name], case.dtype) for name in "kv")
            if case.variant == "softcap":
                return lambda: capped(case, q, k, v)
            causal = case.causal and mask is None
            return lambda: F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, enable_gqa=grouped)

        return [Variant("sdpa" if case.variant != "softcap" else "matmuls", [bind() for _ in range(copies)], fetch)]


def _memory(case: Case, operands: dict[str, np.ndarray]) -> Variant:
    small = torch.zeros(1, case.heads, 64, case.size)
    F.scaled_dot_product_attention(small, small, small, is_causal=case.causal)
    results: list[torch.Tensor] = []

    def call() -> None:
        q, k, v = (tensor(operands[name], case.dtype) for name in "qkv")
        results.append(F.scaled_dot_product_attention(q, k, v, is_causal=case.causal))

    return Variant("sdpa", [], lambda _: fetch(results[0]), peak_bytes=peak_growth(call))
