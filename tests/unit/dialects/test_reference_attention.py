"""The reference of attention against the definition, one query, head and key at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Evaluate = Callable[..., list[np.ndarray]]

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, SIZE, VALUE_SIZE = 2, 4, 2, 3, 5, 4, 6
SCALE = 0.5


def attention_by_definition(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    kv_len: np.ndarray | None = None,
    q_offset: np.ndarray | None = None,
    sinks: np.ndarray | None = None,
    causal: bool = False,
    window: int = 0,
    softcap: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Output `[B, H, Q, Dv]` and log of the normalizer `[B, H, Q]`."""
    out, lse = np.zeros((BATCH, HEADS, QUERIES, VALUE_SIZE)), np.full((BATCH, HEADS, QUERIES), -math.inf)
    full_mask = None if mask is None else np.broadcast_to(mask, (BATCH, HEADS, QUERIES, KEYS))
    for b, h, i in np.ndindex(BATCH, HEADS, QUERIES):
        position = i + (KEYS - QUERIES if q_offset is None else int(q_offset[b]))
        group = h // (HEADS // KV_HEADS)
        total, accumulated = (math.exp(float(sinks[h])) if sinks is not None else 0.0), np.zeros(VALUE_SIZE)
        for j in range(KEYS):
            if (causal and j > position) or (window and j <= position - window) or (kv_len is not None and j >= kv_len[b]):
                continue
            score = float(q[b, h, i].astype(np.float64) @ k[b, group, j].astype(np.float64)) * SCALE
            score = softcap * math.tanh(score / softcap) if softcap else score
            if full_mask is not None and full_mask.dtype == np.bool_:
                if not full_mask[b, h, i, j]:
                    continue
            elif full_mask is not None:
                score += float(full_mask[b, h, i, j])
            total += math.exp(score)
            accumulated += math.exp(score) * v[b, group, j]
        if total:
            out[b, h, i], lse[b, h, i] = accumulated / total, math.log(total)
    return out, lse


MASK = np.array([[True, False, True, True, True], [True] * 5, [False] * 5])
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"causal": True},
    "window": {"causal": True, "window": 2},
    "softcap": {"softcap": 0.7},
    "truth_mask": {"mask": MASK[None, None]},
    "float_mask": {"mask": np.where(MASK, 0.25, -np.inf).astype(np.float32)},
    "kv_len": {"kv_len": np.array([4, 0])},
    "q_offset": {"causal": True, "q_offset": np.array([0, 2])},
    "sinks": {"sinks": np.array([0.0, 1.0, -1.0, 3.0], np.float32)},
    "everything": {
        "causal": True, "window": 3, "softcap": 2.0, "mask": MASK[None, None], "kv_len": np.array([4, 5]),
        "q_offset": np.array([1, 2]), "sinks": np.array([0.0, 1.0, -1.0, 3.0], np.float32),
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_attention(case: str, evaluate: Evaluate) -> None:
    arguments = CASES[case]
    rng = np.random.default_rng(3)
    q = rng.standard_normal((BATCH, HEADS, QUERIES, SIZE)).astype(np.float32)
    k = rng.standard_normal((BATCH, KV_HEADS, KEYS, SIZE)).astype(np.float32)
    v = rng.standard_normal((BATCH, KV_HEADS, KEYS, VALUE_SIZE)).astype(np.float32)
    optional = [arguments.get(name) for name in ("mask", "kv_len", "q_offset", "sinks")]
    inputs = [q, k, v, *(x for x in optional if isinstance(x, np.ndarray))]
    segments = ", ".join(["1", "1", "1", *("0" if x is None else "1" for x in optional)])
    names = ", ".join(f"%{chr(97 + i)}" for i in range(len(inputs)))
    causal = str(arguments.get("causal", False)).lower()
    op = (
        f'%o:2 = "tw.attention"({names}) {{scale = {SCALE} : f64, logsumexp = true, causal = {causal}, '
        f"window = {arguments.get('window', 0)} : i64, softcap = {arguments.get('softcap', 0.0)} : f64, "
        f"operandSegmentSizes = array<i32: {segments}, 0, 0, 0, 0>}} : ({', '.join(tensor_type(x) for x in inputs)}) -> "
        f"(tensor<{BATCH}x{HEADS}x{QUERIES}x{VALUE_SIZE}xf32>, tensor<{BATCH}x{HEADS}x{QUERIES}xf32>)"
    )
    out, lse = evaluate(op, inputs)
    expected_out, expected_lse = attention_by_definition(q, k, v, **arguments)
    np.testing.assert_allclose(out, expected_out, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(lse, expected_lse, rtol=1e-5, atol=1e-6)


SIGNATURE = "^bb0(%s: f32, %batch: i64, %head: i64, %i: i64, %j: i64"


def test_a_region_changes_scores_and_hides_keys(evaluate: Evaluate) -> None:
    rng = np.random.default_rng(3)
    q = rng.standard_normal((BATCH, HEADS, QUERIES, SIZE)).astype(np.float32)
    k, v = (rng.standard_normal((BATCH, KV_HEADS, KEYS, n)).astype(np.float32) for n in (SIZE, VALUE_SIZE))
    slopes = rng.standard_normal((HEADS, 1, 1)).astype(np.float32)
    (out,) = evaluate(
        f"""%o = "tw.attention"(%a, %b, %c, %d) ({{
        {SIGNATURE}, %slope: f32):
          %n = arith.subi %j, %i : i64
          %x = arith.sitofp %n : i64 to f32
          %y = arith.mulf %slope, %x : f32
          %z = arith.addf %s, %y : f32
          %seen = arith.cmpi sle, %n, %batch : i64
          "tw.yield"(%z, %seen) : (f32, i1) -> ()
        }}) {{scale = {SCALE} : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1>}}
        : ({", ".join(tensor_type(x) for x in (q, k, v, slopes))}) -> tensor<{BATCH}x{HEADS}x{QUERIES}x{VALUE_SIZE}xf32>""",
        [q, k, v, slopes],
    )
    distance = np.arange(KEYS)[None, :] - np.arange(QUERIES)[:, None]
    seen = distance[None] <= np.arange(BATCH)[:, None, None]
    mask = np.where(seen[:, None], slopes * distance, -np.inf)
    expected, _ = attention_by_definition(q, k, v, mask=mask)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_pages_of_scaled_integers(evaluate: Evaluate) -> None:
    rng = np.random.default_rng(3)
    q = rng.standard_normal((BATCH, HEADS, QUERIES, SIZE)).astype(np.float32)
    pages, length, kv_len = 4, 3, np.array([5, 4])
    k, v = (rng.integers(-128, 128, (pages, KV_HEADS, length, n)).astype(np.int8) for n in (SIZE, VALUE_SIZE))
    k_scale, v_scale = (rng.random((pages, KV_HEADS, length)).astype(np.float32) / 50 for _ in range(2))
    table = np.array([[3, 1], [0, 2]], np.int32)
    inputs = [q, k, v, kv_len, table, k_scale, v_scale]
    (out,) = evaluate(
        f"""%o = "tw.attention"(%a, %b, %c, %d, %e, %f, %g)
        {{scale = {SCALE} : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0>}}
        : ({", ".join(tensor_type(x) for x in inputs)}) -> tensor<{BATCH}x{HEADS}x{QUERIES}x{VALUE_SIZE}xf32>""",
        inputs,
    )
    rows = [(x * s[..., None])[table].transpose(0, 2, 1, 3, 4) for x, s in ((k, k_scale), (v, v_scale))]
    rows = [r.reshape(BATCH, KV_HEADS, 2 * length, r.shape[-1])[:, :, :KEYS] for r in rows]
    expected, _ = attention_by_definition(q, *rows, kv_len=kv_len)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def tensor_type(array: np.ndarray) -> str:
    names = {"float32": "f32", "int64": "i64", "int32": "i32", "int8": "i8", "bool": "i1"}
    return f"tensor<{'x'.join([*map(str, array.shape), names[array.dtype.name]])}>"
