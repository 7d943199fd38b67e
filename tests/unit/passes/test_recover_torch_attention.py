"""Calls of torch's scaled_dot_product_attention after recovery: the same results, with masks as attributes and small operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_reference import batch, check, compare, run

from tilewright.core.mlir import ir
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.passes import weight_values

sdpa = F.scaled_dot_product_attention
SLOPES = torch.tensor([0.5, 0.25, 0.125, 0.0625])[:, None, None]


def _distance(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Key less query position."""
    return torch.arange(k.shape[2])[None] - torch.arange(q.shape[2])[:, None]


def _causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return sdpa(q, k, v, is_causal=True)


def _cached(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The last query at the last key."""
    return sdpa(q, k, v, attn_mask=_distance(q, k) <= k.shape[2] - q.shape[2])


def _window(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    d = _distance(q, k)
    return sdpa(q, k, v, attn_mask=(d <= 0) & (d > -4))


def _alibi(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return sdpa(q, k, v, attn_mask=SLOPES * _distance(q, k).to(q.dtype))


def _causal_alibi(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    d = _distance(q, k)
    return sdpa(q, k, v, attn_mask=torch.where(d <= 0, SLOPES * d.to(q.dtype), -float("inf")))


def _grouped(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return sdpa(q, k, v, is_causal=True, enable_gqa=True, scale=0.3)


# The function, heads of keys, and what the attention has after recovery.
CASES: dict[str, tuple[Callable[..., torch.Tensor], int, set[str]]] = {
    "causal": (_causal, 4, {"causal", "q_offset"}),
    "cached": (_cached, 4, {"causal"}),
    "window": (_window, 4, {"causal", "window", "q_offset"}),
    "alibi": (_alibi, 4, {"score_inputs"}),
    "causal_alibi": (_causal_alibi, 4, {"causal", "q_offset", "score_inputs"}),
    "grouped": (_grouped, 2, {"causal", "q_offset"}),
}


def _inputs(queries: int, keys: int, kv_heads: int, batches: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(queries)
    return [torch.randn(batches, h, n, 8, generator=generator) for h, n in ((4, queries), (kv_heads, keys), (kv_heads, keys))]


def _checked(function: Callable[..., Any], given: list[list[torch.Tensor]], dynamic: Any = None) -> set[str]:
    """What the attention says after recovery; results of the recovered program are compared with torch's."""
    program = check(function, *given[0], dynamic=dynamic, others=given[1:])
    with program.context, ir.Location.unknown(), weight_values.provided(program.weights):
        run_pipeline(program.module, "tw-simplify,tw-recover")
    for inputs in given:
        compare(run(program, inputs), function(*inputs))
    (op,) = [
        o.operation for f in tw.functions(program.module) for o in f.operation.regions[0].blocks[0].operations if tw.is_op(o, "attention")
    ]
    groups, attributes = tw.operand_groups(op), tw.attributes_of(op)
    return {n for n, value in {**groups, **attributes}.items() if value is not None and value and n not in ("q", "k", "v", "scale")}


@pytest.mark.parametrize("name", CASES)
def test_dynamic_lengths(name: str) -> None:
    function, kv_heads, expected = CASES[name]
    b, s, t = batch("b"), batch("s", 2), batch("t", 2)
    sizes = [_inputs(5, 9, kv_heads), _inputs(4, 7, kv_heads, 3), _inputs(3, 3, kv_heads, 1)]
    assert _checked(function, sizes, [{0: b, 2: s}, {0: b, 2: t}, {0: b, 2: t}]) == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["causal_alibi", "grouped"])
def test_narrow_types(name: str, dtype: torch.dtype) -> None:
    function, kv_heads, expected = CASES[name]
    assert _checked(function, [[x.to(dtype) for x in _inputs(5, 9, kv_heads)]]) == expected


def test_one_query_at_a_position_that_is_data() -> None:
    """As with a static cache: the keys up to it are counted."""

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        return sdpa(q, k, v, attn_mask=torch.arange(k.shape[2])[None] <= position[:, None])

    assert _checked(function, [[*_inputs(1, 9, 4), torch.tensor([6])]]) == {"kv_len"}


def test_documents() -> None:
    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, document: torch.Tensor) -> torch.Tensor:
        same = document[:, None, :, None] == document[:, None, None, :]
        return sdpa(q, k, v, attn_mask=same & torch.ones(q.shape[2], q.shape[2], dtype=torch.bool).tril())

    assert _checked(function, [[*_inputs(5, 5, 4), torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 2]])]]) == {"causal", "score_inputs"}
