"""Decoding over caches as PyTorch programs write it: the kernel reads pages, narrow types and integers as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import tilewright

PAGES, LENGTH, HEADS, KV_HEADS, SIZE = 12, 16, 8, 2, 32


class Paged(torch.nn.Module):
    """One query per batch element attends to the keys that a block table names, as many as `lengths` says."""

    def forward(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, table: torch.Tensor, lengths: torch.Tensor, scales: torch.Tensor
    ) -> torch.Tensor:
        keys, values = (self.rows(x, table, scales) for x in (k, v))
        seen = torch.arange(keys.shape[2])[None, None, None, :] < lengths[:, None, None, None]
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=seen, enable_gqa=True)

    def rows(self, pages: torch.Tensor, table: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
        gathered = pages[table].to(torch.float32)
        if pages.dtype == torch.int8:
            gathered = gathered * scales[table][..., None]
        batch, count, length, heads, size = gathered.shape
        return gathered.reshape(batch, count * length, heads, size).transpose(1, 2)


def inputs(dtype: torch.dtype, batch: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    q = torch.randn(batch, HEADS, 1, SIZE, generator=random)
    shape = (PAGES, LENGTH, KV_HEADS, SIZE)
    if dtype == torch.int8:
        k, v = (torch.randint(-127, 128, shape, generator=random, dtype=dtype) for _ in range(2))
    else:
        k, v = (torch.randn(shape, generator=random).to(dtype) for _ in range(2))
    table = torch.randint(0, PAGES, (batch, 5), generator=random)
    lengths = torch.randint(1, 5 * LENGTH + 1, (batch,), generator=random)
    scales = torch.rand(PAGES, LENGTH, KV_HEADS, generator=random) / 64
    return q, k, v, table, lengths, scales


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8])
def test_pages(dtype: torch.dtype, tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=64)
    dynamic = ({0: batch}, None, None, {0: batch}, {0: batch}, None)
    program = torch.export.export(Paged(), inputs(dtype, 3), dynamic_shapes=dynamic)
    tilewright.compile(program, output=tmp_path / "paged.tw")
    compiled = tilewright.load(tmp_path / "paged.tw")
    assert any("attention" in kernel["name"] for kernel in compiled.kernels)
    assert not any("gather" in kernel["name"] for kernel in compiled.kernels), "pages are read in place"
    for size in (3, 1, 5):
        arguments = inputs(dtype, size, seed=size)
        torch.testing.assert_close(compiled(*arguments), Paged()(*arguments), rtol=1e-5, atol=1e-5)
