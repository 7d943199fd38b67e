"""`flex_attention`: score_mod and mask_mod as regions, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention  # pyright: ignore[reportUnknownVariableType]
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import UnsupportedError

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


def _qkv(length: int = 12, keys: int | None = None) -> list[torch.Tensor]:
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


@pytest.mark.parametrize("name", CASES)
def test_becomes_one_op(name: str) -> None:
    program = check(CASES[name](), *_qkv())
    assert str(program.module).count('"tw.attention"') == 1


@pytest.mark.parametrize("name", ["alibi", "documents", "relative_positions", "logsumexp"])
def test_core_form(name: str) -> None:
    check(CASES[name](), *_qkv(), core=True)


@pytest.mark.parametrize("name", ["alibi", "causal", "documents", "logsumexp"])
def test_dynamic_lengths(name: str) -> None:
    length = batch("length", 2, 24)
    check(CASES[name](), *_qkv(), dynamic=[{2: length}] * 3, others=[_qkv(5), _qkv(20)])


def test_more_keys_than_queries() -> None:
    check(CASES["causal"](), *_qkv(5, 9))
    check(CASES["hiding_score"](), *_qkv(9, 5))


def test_without_functions_there_is_no_region() -> None:
    assert "^bb0(" not in str(check(CASES["plain"](), *_qkv()).module)


def test_blocks_of_the_mask_are_not_computed() -> None:
    text = str(check(CASES["causal"](), *_qkv()).module)
    assert "tw.sort" not in text and "tw.scatter" not in text


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_scores_of_narrow_types_are_f32(dtype: torch.dtype) -> None:
    text = str(check(CASES["softcap"](), *(x.to(dtype) for x in _qkv())).module)
    assert "arith.truncf" not in text


REFUSED: dict[str, tuple[Callable[[], Attention], torch.dtype, str]] = {
    "indexed_by_score": (lambda: Attention(lambda m, s, b, h, i, j: s + m.slopes[s.long()]), torch.float32, "indexed by the score"),
    "changed_row": (lambda: Attention(lambda m, s, b, h, i, j: s + m.table[h].sum()), torch.float32, "depends on the indices of a score"),
    "float64": (CASES["alibi"], torch.float64, "flex_attention of float64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    module, dtype, reason = REFUSED[name]
    with pytest.raises(UnsupportedError, match=reason):
        import_function(module(), *(x.to(dtype) for x in _qkv()))
