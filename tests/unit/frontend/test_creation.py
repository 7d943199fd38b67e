"""Tensors from nothing against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_reference import batch, check

CALLS: dict[str, Callable[[torch.Tensor], Any]] = {
    "fills": lambda x: (torch.zeros(2, 3), torch.ones(3, dtype=torch.int32), torch.full((2,), 2.5), torch.full((2,), True),
        torch.full((), 3)),
    "likes": lambda x: (torch.zeros_like(x), torch.ones_like(x, dtype=torch.bool), torch.full_like(x, -1.5), torch.zeros_like(x.long())),
    "news": lambda x: (x.new_zeros(2, 2), x.new_ones(3, dtype=torch.int64), x.new_full((2, 2), 7)),
    # What is there may be anything, NaN too: only shapes and types are looked at.
    "empty": lambda x: (torch.empty(3) == torch.empty_like(x)[0]) & (x.new_empty(3) != x.new_empty(3)) & (x[0] > float("inf")),
    "arange": lambda x: (torch.arange(5), torch.arange(2, 9), torch.arange(1, 10, 3), torch.arange(5, 0, -2), torch.arange(4.0)),
    "arange_floats": lambda x: (torch.arange(0, 1, 0.25), torch.arange(1.5, 4), torch.arange(5, dtype=torch.float32), torch.arange(0)),
    "arange_types": lambda x: (torch.arange(3, dtype=torch.int32), torch.arange(3, dtype=torch.float64), torch.arange(0.1, 1,
        0.3, dtype=torch.float64)),
    "linspace": lambda x: (torch.linspace(0, 1, 5), torch.linspace(-3, 2, 4), torch.linspace(2, 9, 1), torch.linspace(1, -1, 6)),
    "eye": lambda x: (torch.eye(3), torch.eye(2, 4), torch.eye(3, dtype=torch.int64)),
    "constants": lambda x: (torch.tensor([1, 2, 3]), torch.tensor(2.5), torch.tensor([True, False]), torch.tensor(3)),
    "big_constant": lambda x: x + torch.tensor([float(i * i) for i in range(3)]),
    "scalar_tensor": lambda x: torch.scalar_tensor(2.0),
    "fill": lambda x: (torch.fill(x, 3.0), torch.ops.aten.fill.Tensor(x, x[0, 0] * 0 + 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_static(name: str) -> None:
    check(lambda x: (CALLS[name](x), x + 1), torch.randn(2, 3))


DYNAMIC: dict[str, Callable[[torch.Tensor], Any]] = {
    "fills": lambda x: (torch.zeros(x.shape[0], 3), torch.full((x.shape[0],), x.shape[0]), x.new_ones(x.shape[0] * 2), torch.ones_like(x)),
    "arange": lambda x: (torch.arange(x.shape[0]), torch.arange(1, x.shape[0] + 1), torch.arange(x.shape[0], 2 * x.shape[0])),
    "arange_steps": lambda x: (torch.arange(x.shape[0], dtype=torch.float32) * 0.5, torch.arange(0, x.shape[0] * 2, 2)),
    "eye": lambda x: torch.eye(x.shape[0]),
    "full_mask": lambda x: torch.full((x.shape[0], x.shape[0]), float("-inf")).triu(1),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic(name: str) -> None:
    check(DYNAMIC[name], torch.randn(4, 3), dynamic=[{0: batch("n", 2)}], others=[[torch.randn(7, 3)]])
