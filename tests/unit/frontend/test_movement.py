"""Movement ops against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, reject, settings
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import InputError, UnsupportedError

# On x[4, 6, 8].
CALLS: dict[str, Callable[[torch.Tensor], Any]] = {
    "view": lambda x: (x.view(24, 8), x.view(-1, 2), x.view(4, 2, 3, 8), x.view_as(x), x.flatten(), x.flatten(1), x.flatten(0, 1)),
    "reshape": lambda x: (x.transpose(0, 1).reshape(-1), x.reshape(4, -1), x.unflatten(1, (2, 3)), x.ravel()),
    "squeeze": lambda x: (x[:1].squeeze(), x[:1].squeeze(0), x[:1].squeeze(1), x[:1, :1].squeeze((0, 1)), x.unsqueeze(0), x.unsqueeze(-1)),
    "permute": lambda x: (x.permute(2, 0, 1), x.permute(-1, 1, 0), x.transpose(0, 2), x.transpose(-1, -2), x.mT, x[0].t(), x[0].T),
    "movedim": lambda x: (x.movedim(0, -1), x.movedim((0, 1), (2, 0)), x.swapaxes(0, 1), x.swapdims(1, 2)),
    "expand": lambda x: (x[:1].expand(3, 6, 8), x[:, :1].expand(-1, 5, -1), x.expand(2, 4, 6, 8), x[:1].expand_as(x),
        x.broadcast_to(3, 4, 6, 8)),
    "repeat": lambda x: (x.repeat(2, 1, 3), x.repeat(2, 1, 1, 2), x.tile(2), x.repeat_interleave(2, 1), x.repeat_interleave(3)),
    "slice": lambda x: (x[1:3], x[:, -2:], x[:, :-1], x[..., ::2], x[:, 1:100], x[..., -100:3], x[2:1], x[:, 5:0:1], x[1:4:2]),
    "select": lambda x: (x[0], x[-1], x[:, 2], x[..., -3], x[1, 2, 3], x.select(1, 4), x.narrow(1, 2, 3), x.narrow(2, -3, 2)),
    "split": lambda x: (*x.split(2, 2), *x.split(4, 2), *x.split([1, 3, 2], 1), *x.chunk(3, 1), *x.chunk(3, 2), *x.unbind(0),
        *x.tensor_split(3, 2)),
    "cat": lambda x: (torch.cat([x, x[:1]]), torch.cat([x, x[..., :2]], -1), torch.cat([x, x.long()], 1), torch.stack([x, x], 1),
        torch.stack([x], -1)),
    "cat_empty": lambda x: torch.cat([torch.empty(0), x], 1),
    "flip": lambda x: (x.flip(0), x.flip((1, 2)), x.flip(-1), x.roll(1, 0), x.roll(-2, 1), x.roll((1, 5), (0, 2)), x.roll(3), x.roll(0, 1)),
    "pad": lambda x: (F.pad(x, (1, 2)), F.pad(x, (0, 1, 2, 0), value=3.5), F.pad(x, (-1, 2)), F.pad(x, (-1, -2, 0, 1)), F.pad(x, (0, 0))),
    "triangles": lambda x: (x.tril(), x.triu(), x.tril(1), x.triu(-2), x[0].tril(-1), x.long().triu(3), (x > 0).tril()),
    "unfold": lambda x: (x.unfold(1, 3, 2), x.unfold(2, 2, 1), x.unfold(0, 4, 1)),
    "diff": lambda x: (x.diff(), x.diff(dim=1), x.diff(n=2), x.diff(prepend=x[..., :1], append=x[..., :2]), (x > 0).diff(dim=0)),
    "copies": lambda x: (x.clone(), x.contiguous(), x.detach(), x.transpose(0, 1).contiguous(), F.dropout(x, 0.5, False),
        torch.ops.aten.alias(x)),
    "copy": lambda x: torch.ops.aten.copy(x, x[:, :1].double()),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_static(name: str) -> None:
    check(CALLS[name], torch.arange(192.0).reshape(4, 6, 8) - 90)


# On x[n, m, 8] with dynamic n and m.
DYNAMIC: dict[str, Callable[[torch.Tensor], Any]] = {
    "view": lambda x: (x.view(-1, 8), x.view(x.shape[0], x.shape[1], 2, 4), x.flatten(), x.reshape(x.shape[0] * x.shape[1], 8)),
    "permute": lambda x: (x.transpose(0, 1), x.permute(2, 1, 0), x.transpose(0, 1).reshape(x.shape[1], -1)),
    "expand": lambda x: (x[:, :1].expand(-1, 3, -1), x.unsqueeze(1).expand(-1, 2, -1, -1).reshape(-1, x.shape[1], 8)),
    "slice": lambda x: (x[1:], x[:, :-1], x[:, 1:], x[:, -2:], x[-1], x[:, 0], x[:, ::2], x[:, 1:3]),
    "start": lambda x: (x[:, -x.shape[1] :], torch.narrow(x, 1, x.shape[1] - 2, 2)),
    "cat": lambda x: (torch.cat([x, x]), torch.cat([x, x[:, :1]], 1), torch.stack([x, x])),
    "roll": lambda x: (x.roll(1, 0), x.roll(-1, 1), x.flip(1)),
    "pad": lambda x: (F.pad(x, (0, 0, 1, 2)), F.pad(x, (0, 0, 0, x.shape[1])), F.pad(x, (0, 0, -1, 0))),
    "repeat": lambda x: (x.repeat(2, 1, 1), x.repeat(1, x.shape[0], 1), x.repeat_interleave(2, 0)),
    "split": lambda x: (*x.split(4, 2), *x.unbind(2), *x.chunk(2, -1)),
    "triangles": lambda x: (x.tril(), x[..., 0].triu(1)),
    "diff": lambda x: (x.diff(dim=1), x.diff(dim=0, prepend=x[:1] - 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic(name: str) -> None:
    x, other = torch.randn(4, 6, 8), torch.randn(3, 9, 8)
    check(DYNAMIC[name], x, dynamic=[{0: batch("n", 3), 1: batch("m", 4)}], others=[[other]])


def test_moves_that_change_nothing_build_nothing() -> None:
    program = check(lambda x: x.view(4, 6).permute(0, 1)[:, 0:6].expand(4, 6).clone().contiguous() + 1, torch.randn(4, 6))
    text = str(program.module)
    assert text.count('"tw.') == 2  # pointwise and its yield


_bound = st.none() | st.integers(-9, 9)


@settings(max_examples=25, deadline=None)
@given(start=_bound, end=_bound, step=st.integers(1, 3))
def test_any_slice(start: int | None, end: int | None, step: int) -> None:
    check(lambda x: x[:, start:end:step], torch.arange(12.0).reshape(2, 6))


@settings(max_examples=15, deadline=None)
@given(start=_bound, end=_bound)
def test_any_slice_of_a_dynamic_dimension(start: int | None, end: int | None) -> None:
    low = max(abs(b) for b in (start or 0, end or 0)) + 1
    x = torch.arange(3.0 * (low + 4)).reshape(3, -1)
    try:
        check(lambda x: x[:, start:end], x, dynamic=[{1: batch("m", low, 99)}], others=[[x[:, :low]], [x[:, : low + 1]]])
    except InputError:
        reject()  # torch would fix the size


@settings(max_examples=12, deadline=None)
@given(permutation=st.permutations(range(4)), dims=st.lists(st.integers(0, 3), unique=True))
def test_any_permutation(permutation: list[int], dims: list[int]) -> None:
    check(lambda x: (x.permute(permutation), x.flip(dims)), torch.arange(120).reshape(2, 3, 4, 5))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes(mode: str) -> None:
    check(lambda x: F.pad(x, (1, 2), mode=mode), torch.randn(2, 3, 5))


def test_dropout_in_training_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"(?s)dropout in training mode.*model\.eval"):
        import_function(lambda x: F.dropout(x, 0.5, True), torch.randn(3))


def test_strides_of_contiguous_elements_mean_a_reshape() -> None:
    x = torch.randn(4, 6)
    check(lambda x: (x.as_strided((2, 12), (12, 1)), x.as_strided((4, 6, 1, 1), (6, 1, 6, 6))), x)
    with pytest.raises(UnsupportedError, match="which is no reshape"):
        import_function(lambda x: x.as_strided((3, 3), (1, 1)), x)
