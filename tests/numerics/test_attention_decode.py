"""The attention template for few queries: lengths, grouped heads, positions, masks, element types, pages, slices, targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.targets import host_target


def attention(q: ir.Value, k: ir.Value, v: ir.Value, *rest: ir.Value | None, **attributes: Any) -> list[ir.Value]:
    return tw.build_many("attention", q, k, v, *rest, **attributes)


def plain(queries: int, heads: int, kv_heads: int, size: int, value_size: int | None = None, **attributes: Any) -> TemplateKernel:
    shapes = [
        info(f"d0, {heads}, {queries}, {size}"),
        info(f"d0, {kv_heads}, d1, {size}"),
        info(f"d0, {kv_heads}, d1, {value_size or size}"),
    ]
    return TemplateKernel(shapes, lambda q, k, v: attention(q, k, v, scale=size**-0.5, **attributes), decode=True)


def qkv(batch: int, heads: int, kv_heads: int, queries: int, keys: int, size: int, value_size: int | None = None) -> list[np.ndarray]:
    return [
        normal(batch, heads, queries, size),
        normal(batch, kv_heads, keys, size, seed=1),
        normal(batch, kv_heads, keys, value_size or size, seed=2),
    ]


KEYS = (1, 3, 16, 31, 32, 33, 100, 257)


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (8, 2), (10, 2), (9, 1)])
def test_lengths_and_groups(heads: int, kv_heads: int) -> None:
    kernel = plain(1, heads, kv_heads, 32)
    lowered = kernel.lower(host_target())
    for keys in (*KEYS, 0):
        kernel.check(qkv(2, heads, kv_heads, 1, keys, 32), lowered=lowered, tolerance=1e-5)
