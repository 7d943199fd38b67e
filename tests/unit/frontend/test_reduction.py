"""Reductions and scans against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import UnsupportedError

REDUCTIONS: dict[str, Callable[[torch.Tensor], Any]] = {
    "sum": lambda x: (x.sum(), x.sum(1), x.sum((0, -1)), x.sum(0, keepdim=True), x.sum(-1, dtype=torch.float64)),
    "mean": lambda x: (x.mean(), x.mean(1), x.mean((0, -1), keepdim=True)),
    "prod": lambda x: (x.prod(), x.prod(1), x.prod(-1, keepdim=True)),
    "amax": lambda x: (x.amax(), x.amax(1), x.amax((0, 2), keepdim=True), x.max(), x.max(1), x.max(-1, keepdim=True).values),
    "amin": lambda x: (x.amin(), x.amin(1), x.amin((0, 2), keepdim=True), x.min(), x.min(1), x.min(-1, keepdim=True).indices),
    "argmax": lambda x: (x.argmax(), x.argmax(1), x.argmax(-1, keepdim=True), x.argmax(keepdim=True)),
    "argmin": lambda x: (x.argmin(), x.argmin(1), x.argmin(-1, keepdim=True)),
    "any": lambda x: ((x > 1).any(), (x > 1).any(1), x.any(-1, keepdim=True), torch.any(x > 1, dim=(0, 1))),
    "all": lambda x: ((x > -1).all(), (x > -1).all(1), x.all(-1, keepdim=True)),
    "count_nonzero": lambda x: (torch.count_nonzero(x > 0), torch.count_nonzero(x > 0, dim=1)),
    "var": lambda x: (x.var(), x.var(1), x.var(-1, unbiased=False), x.var((0, 2), keepdim=True), torch.var(x, dim=1, correction=0)),
    "std": lambda x: (x.std(), x.std(1), x.std(-1, unbiased=False, keepdim=True)),
    "var_mean": lambda x: (*torch.var_mean(x), *torch.var_mean(x, 1), *torch.var_mean(x, -1, correction=0, keepdim=True)),
    "logsumexp": lambda x: (torch.logsumexp(x, 1), torch.logsumexp(x, (0, 2), keepdim=True)),
    "norms": lambda x: tuple(torch.linalg.vector_norm(x, o, -1) for o in (2, 1, 0, 3, 2.5, float("inf"), float("-inf"))),
    "norm": lambda x: (torch.linalg.vector_norm(x), x.norm(dim=1), x.norm(), torch.nn.functional.normalize(x, dim=-1)),
    "cumsum": lambda x: (x.cumsum(0), x.cumsum(-1), (x > 0).cumsum(1), x.cumsum(1, dtype=torch.float64)),
    "cumprod": lambda x: (x.cumprod(0), x.cumprod(-1)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_on_floats(name: str) -> None:
    torch.manual_seed(0)
    check(REDUCTIONS[name], torch.randn(3, 4, 5))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_on_dynamic_sizes(name: str) -> None:
    torch.manual_seed(0)
    x, other = torch.randn(3, 4, 5), torch.randn(2, 6, 5)
    check(REDUCTIONS[name], x, dynamic=[{0: batch("n"), 1: batch("m", 2)}], others=[[other]], tolerance=1e-5)


@pytest.mark.parametrize("name", ["sum", "prod", "amax", "amin", "argmax", "argmin", "any", "all", "cumsum", "cumprod", "count_nonzero"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_on_integers(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    check(REDUCTIONS[name], torch.randint(-3, 4, (2, 3, 4)).to(dtype))


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "cumsum", "logsumexp", "var"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_accumulates_in_f32(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    check(REDUCTIONS[name], torch.randn(2, 64, 3).to(dtype))


def test_on_truth_values() -> None:
    p = torch.tensor([[True, False], [True, True]])
    check(lambda p: (p.sum(), p.sum(1), p.any(0), p.all(1), p.amax(0), p.amin(0), p.max(), p.cumsum(0)), p)


def test_arg_extremes_take_the_first_of_equals_and_nan() -> None:
    x = torch.tensor([[1.0, 3.0, 3.0, 1.0], [2.0, float("nan"), 5.0, float("nan")]])
    check(lambda x: (x.argmax(1), x.argmin(1), x.max(1).indices, x.amax(1), x.amin(1)), x)
    low = torch.iinfo(torch.int64).min
    check(lambda x: (x.argmin(0), x.argmax(0)), torch.tensor([5, low, low, 7]))


def test_without_dimensions() -> None:
    check(lambda x: (x.sum(), x.mean(), x.amax(), x.sum(0), x.softmax(0), x.cumsum(0), x.argmax()), torch.tensor(2.5))


def test_unused_half_of_a_pair_is_not_computed() -> None:
    program = check(lambda x: x.max(1).values, torch.randn(3, 4))
    assert "argmax" not in str(program.module)


def test_pooling_to_one_element() -> None:
    x = torch.randn(2, 3, 4, 5)
    check(lambda x: (F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool1d(x[0], 1)), x)
    check(lambda x: F.adaptive_avg_pool1d(x[0], 1), x, core=True)
    with pytest.raises(UnsupportedError, match=r"pooling to \[2, 2\]"):
        import_function(lambda x: F.adaptive_avg_pool2d(x, 2), x)
