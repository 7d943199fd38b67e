"""Lookups, gathers and scatters against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import InputError, UnsupportedError

X = torch.arange(120.0).reshape(2, 3, 4, 5)
I = torch.tensor([[1, 0, 1], [0, 1, 1]])
J = torch.tensor([2, 0, -1])

CALLS: dict[str, Callable[..., Any]] = {
    "embedding": lambda x, i, j: F.embedding(i, x[:, 0, 0]),
    "index_select": lambda x, i, j: (x.index_select(1, i[0]), torch.index_select(x, -1, i[1]), x.index_select(2, i[0, 0])),
    "one_index": lambda x, i, j: (x[i], x[:, i], x[:, :, j], x[..., j], x[:, j, 1:]),
    "two_indices": lambda x, i, j: (x[i, j], x[:, i, j], x[:, :, i, j], x[i[0], j]),
    "apart": lambda x, i, j: (x[i, :, j], x[i, :, :, j], x[:, j, :, i]),
    "broadcast": lambda x, i, j: x[torch.arange(2)[:, None], :, torch.arange(3)],
    "negative": lambda x, i, j: (x[:, j - 1], x[:, -1 - i]),
    "gather": lambda x, i, j: (torch.gather(x[0, 0], 0, i[:, :3]), torch.gather(x[0, 0], 1, i), x[:, :, 0, 0].gather(1, i)),
    "gather_of_ones": lambda x, i, j: (x[:1, :, 0, 0].gather(1, i[:1]), x[:, :1, 0, 0].expand(2, 3).gather(1, i)),
    "scatter": lambda x, i, j: (x[:, :, 0, 0].scatter(1, i, x[:, :, 0, 1]), x[0, 0].scatter(1, i, 7.5)),
    "scatter_add": lambda x, i, j: x[:, :, 0, 0].scatter_add(0, i, x[:, :, 1, 1]),
    "index_put": lambda x, i, j: (x.index_put((i[:, :2], j[:2]), x[0, 0, 0, 0]), torch.ops.aten.index_put(x, [None, j], x[:, :3] * 2)),
    "index_put_apart": lambda x, i, j: torch.ops.aten.index_put(x, [i[0], None, j], x[0, :, 0] * 0 + 3.0),
    "index_put_add": lambda x, i, j: x.index_put((i[0],), x[0], accumulate=True),
    "index_put_mask": lambda x, i, j: (x.index_put((x > 50,), x[0, 0, 0, 1]), x.index_put((x[:, :, 0, 0] > 30,), torch.tensor(-1.0))),
    "index_copy": lambda x, i, j: (x.index_copy(1, i[0, :2] * 2, x[:, :2]), x.index_add(1, i[0], x, alpha=2)),
    "slice_scatter": lambda x, i, j: (x.slice_scatter(x[:, :2] * 0, 1, 1), torch.slice_scatter(x, x[:, :1], 1, -1),
        x.select_scatter(x[0], 0, -1)),
    "one_hot": lambda x, i, j: (F.one_hot(i, 4), F.one_hot(i.flatten(), 3)),
    "take_along_dim": lambda x, i, j: torch.take_along_dim(x[:, :, 0, 0], i, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_static(name: str) -> None:
    check(CALLS[name], X, I, J)


def test_index_of_another_integer_type() -> None:
    check(lambda x, i: (x[i], F.embedding(i, x[:, 0, 0]), x.index_select(0, i)), X, torch.tensor([1, 0, 1], dtype=torch.int32))


DYNAMIC: dict[str, Callable[..., Any]] = {
    "embedding": lambda x, i: F.embedding(i, x),
    "positions": lambda x, i: x[torch.arange(i.shape[1])],
    "key_padding": lambda x, i: (i > 0)[torch.arange(i.shape[0])[:, None, None, None], torch.arange(i.shape[1])],
    "last": lambda x, i: i[torch.arange(i.shape[0]), i.argmax(-1)],
    "gather": lambda x, i: x[:, :1].expand(-1, i.shape[1])[: i.shape[0]].gather(0, i % 2),
    "scatter": lambda x, i: torch.zeros(i.shape[0], 9).scatter(1, i, 1.0),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic(name: str) -> None:
    torch.manual_seed(0)
    i, other = torch.randint(0, 9, (3, 5)), torch.randint(0, 9, (2, 7))
    x = torch.randn(9, 4)
    check(DYNAMIC[name], x, i, dynamic=[None, {0: batch("n", 2, 9), 1: batch("m", 2, 9)}], others=[[x, other]])


def test_indices_that_are_provably_not_negative_are_used_as_they_are() -> None:
    assert "arith.select" not in str(import_function(DYNAMIC["positions"], torch.randn(9, 4), I).module)
    assert "arith.select" not in str(import_function(DYNAMIC["key_padding"], torch.randn(9, 4), I).module)
    assert "arith.select" in str(import_function(lambda x, i: x[i], X, I).module)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "mask": (lambda x, i: x[x > 3], "boolean mask"),
    "nonzero": (lambda x, i: torch.nonzero(x), "nonzero"),
    "masked_put": (lambda x, i: x.index_put((x > 3,), x.reshape(-1)), "several values through a boolean mask"),
    "item": (lambda x, i: x * i[0, 0].item(), "item"),
    "one_hot": (lambda x, i: F.one_hot(i % 2), "one_hot|.item"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_sizes_that_depend_on_data_are_refused(name: str) -> None:
    function, message = REFUSED[name]
    with pytest.raises((InputError, UnsupportedError), match=message):
        import_function(function, X, I)
