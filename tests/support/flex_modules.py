"""Modules that call `flex_attention` with functions of scores, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention  # pyright: ignore[reportUnknownVariableType]

flex: Callable[..., Any] = flex_attention
block_mask: Callable[..., Any] = create_block_mask


class Attention(torch.nn.Module):
    """flex_attention with functions of (module, ...) that read its buffers."""

    def __init__(self, score: Callable[..., Any] | None = None, mask: Callable[..., Any] | None = None, **options: Any) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("slopes", torch.rand(4, generator=generator))
        self.register_buffer("document", torch.tensor([0] * 7 + [1] * 20))
        self.register_buffer("start", torch.tensor([0, 7]))
        self.register_buffer("table", torch.randn(4, 80, generator=generator))
        self.score, self.mask, self.options = score, mask, options

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        score, mask, blocks = self.score, self.mask, None
        if mask is not None:
            blocks = block_mask(lambda b, h, i, j: mask(self, b, h, i, j), None, None, q.shape[2], k.shape[2], device="cpu")
        score_mod = None if score is None else lambda s, b, h, i, j: score(self, s, b, h, i, j)
        return flex(q, k, v, score_mod=score_mod, block_mask=blocks, enable_gqa=True, **self.options)


def qkv(length: int = 12, keys: int | None = None) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    sizes = [(4, length, 8), (2, keys or length, 8), (2, keys or length, 6)]
    return [torch.randn(2, *size, generator=generator) for size in sizes]


def _causal(_: Attention, b: Any, h: Any, i: Any, j: Any) -> Any:
    return i >= j


CASES: dict[str, Callable[[], Attention]] = {
    "plain": lambda: Attention(),
    "scale": lambda: Attention(scale=0.7),
    "alibi": lambda: Attention(lambda m, s, b, h, i, j: s + m.slopes[h] * (j - i)),
    "softcap": lambda: Attention(lambda m, s, b, h, i, j: 20 * torch.tanh(s / 20)),
    "hiding_score": lambda: Attention(lambda m, s, b, h, i, j: torch.where(i >= j, s, -float("inf"))),
    "causal": lambda: Attention(mask=_causal),
    "documents": lambda: Attention(mask=lambda m, b, h, i, j: (i >= j) & (m.document[i] == m.document[j])),
    "relative_positions": lambda: Attention(lambda m, s, b, h, i, j: s + m.table[h, i - j + 40]),
    "position_in_document": lambda: Attention(lambda m, s, b, h, i, j: s + m.slopes[h] * (j - m.start[m.document[j]])),
    "index_of_index": lambda: Attention(lambda m, s, b, h, i, j: s + m.table[h][m.document[j]]),
    "number_as_index": lambda: Attention(lambda m, s, b, h, i, j: s + m.table[h, 3]),
    "both": lambda: Attention(lambda m, s, b, h, i, j: s * 0.5 + b - h, _causal),
    "logsumexp": lambda: Attention(mask=_causal, return_lse=True),
    "hidden_rows": lambda: Attention(mask=lambda m, b, h, i, j: i < 3),
}
