"""Scaled dot-product attention against torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import UnsupportedError

sdpa = F.scaled_dot_product_attention
aten = torch.ops.aten


def _qkv(queries: int = 5, keys: int = 5, heads: int = 4, kv_heads: int = 4, lead: tuple[int, ...] = (2,)) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(*lead, heads, queries, 8), torch.randn(*lead, kv_heads, keys, 8), torch.randn(*lead, kv_heads, keys, 6)]


CALLS: dict[str, Any] = {
    "plain": lambda q, k, v: sdpa(q, k, v),
    "scale": lambda q, k, v: sdpa(q, k, v, scale=0.3),
    "causal": lambda q, k, v: sdpa(q, k, v, is_causal=True),
    "bool_mask": lambda q, k, v: sdpa(q, k, v, attn_mask=torch.ones(5, 5, dtype=torch.bool).tril()),
    "float_mask": lambda q, k, v: sdpa(q, k, v, attn_mask=q[:1, :1] @ k[:1, :1].mT),
    "empty_rows": lambda q, k, v: sdpa(q, k, v, attn_mask=torch.zeros(5, 5, dtype=torch.bool)),
}


@pytest.mark.parametrize("name", CALLS)
def test_becomes_one_op(name: str) -> None:
    program = check(CALLS[name], *_qkv())
    assert str(program.module).count('"tw.attention"') == 1


@pytest.mark.parametrize("name", CALLS)
def test_core_form(name: str) -> None:
    check(CALLS[name], *_qkv(), core=True)


def test_causal_is_an_attribute_when_lengths_agree() -> None:
    program = check(CALLS["causal"], *_qkv())
    assert "causal = true" in str(program.module)


@pytest.mark.parametrize("lengths", [(3, 5), (5, 3)])
def test_causal_is_aligned_with_the_first_key(lengths: tuple[int, int]) -> None:
    q, k, v = _qkv(*lengths)
    program = check(CALLS["causal"], q, k, v)
    assert "dense<0> : tensor<i64>" in str(program.module)


def test_grouped_heads_are_not_repeated() -> None:
    program = check(lambda q, k, v: sdpa(q, k, v, enable_gqa=True), *_qkv(kv_heads=2))
    assert "tw.broadcast" not in str(program.module)


@pytest.mark.parametrize("lead", [(), (2, 3), (2, 3, 2)])
def test_other_ranks(lead: tuple[int, ...]) -> None:
    check(CALLS["plain"], *_qkv(lead=lead))
    check(lambda q, k, v: sdpa(q, k, v, attn_mask=torch.ones(5, 5, dtype=torch.bool).tril()), *_qkv(lead=lead))


def test_three_dimensions_with_a_mask_per_batch() -> None:
    q, k, v = _qkv(lead=())
    check(lambda q, k, v, m: sdpa(q, k, v, attn_mask=m), q, k, v, torch.randn(4, 5, 5) > -0.5)


def test_one_key_for_all_batches() -> None:
    q, k, v = _qkv()
    check(CALLS["plain"], q, k[:1], v[:1])


def test_dynamic_sizes() -> None:
    b, s, t = batch("b"), batch("s", 2), batch("t", 2)
    q, k, v = _qkv(5, 7)
    dims = [{0: b, 2: s}, {0: b, 2: t}, {0: b, 2: t}]
    other = [torch.randn(3, 4, 2, 8), torch.randn(3, 4, 6, 8), torch.randn(3, 4, 6, 6)]
    check(CALLS["plain"], q, k, v, dynamic=dims, others=[other])
    same = [{0: b, 2: s}] * 3
    causal = check(CALLS["causal"], *_qkv(), dynamic=same, others=[_qkv(3, 3)])
    assert "causal = true" in str(causal.module)


NATIVE: dict[str, Any] = {
    "math_with_truth_values": lambda q, k, v: aten._scaled_dot_product_attention_math(q, k, v, q @ k.mT > 0)[0],
    "flash_for_cpu": lambda q, k, v: tuple(aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)),
    "flash_for_cpu_causal": lambda q, k, v: tuple(aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, True, scale=0.2)),
    "math": lambda q, k, v: aten._scaled_dot_product_attention_math(q, k, v, None, 0.0, True)[0],
}


@pytest.mark.parametrize("name", NATIVE)
def test_native_forms(name: str) -> None:
    q, k, _ = _qkv()
    check(NATIVE[name], q, k, k * 2)


def test_dropout_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"(?s)attention with dropout.*model\.eval"):
        import_function(lambda q, k, v: sdpa(q, k, v, dropout_p=0.1), *_qkv())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    check(CALLS["causal"], *(x.to(dtype) for x in _qkv()))
