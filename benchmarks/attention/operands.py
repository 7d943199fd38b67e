"""Inputs of a case, and the rows of its result that are compared, in float64."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchmarks.attention.cases import DECAY, PAGE, SOFTCAP, WINDOW, Case
from benchmarks.suite.arrays import error_of, reference_of, round_to_bf16, save_arrays

Array = np.ndarray
CHECKED_ROWS = 32
"""Rows of each head that are compared where all would take too long."""


def make(case: Case) -> dict[str, Array]:
    """q `[B, H, Q, D]`, k and v `[B, Hkv, K, D]`: f32, values that bf16 holds for bf16; k and v i8 for s8.

    As far as the case needs them: k_scale and v_scale `[B, Hkv, K]`; mask, `[B, 1, 1, K]` booleans or `[B, 1, Q, K]` numbers; slopes
    `[1, H, 1, 1]`; `table` `[B, K / PAGE]`, which says where the pages of a batch element are, and kv_len `[B]`.
    """
    random = np.random.default_rng([case.heads, case.queries, case.keys, case.size])

    def normal(*shape: int) -> Array:
        values = random.standard_normal(shape, np.float32)
        return round_to_bf16(values) if case.dtype == "bf16" else values

    cache = (case.batch, case.kv_heads, case.keys, case.size)
    arrays = {"q": normal(case.batch, case.heads, case.queries, case.size)}
    for name in ("k", "v"):
        if case.dtype == "s8":
            arrays[name] = random.integers(-127, 128, cache, np.int8)
            arrays[f"{name}_scale"] = random.uniform(0.01, 0.03, cache[:3]).astype(np.float32)
        else:
            arrays[name] = normal(*cache)
    seen = np.arange(case.keys) < case.keys * 7 // 8
    if case.variant == "padding":
        arrays["mask"] = np.broadcast_to(seen, (case.batch, 1, 1, case.keys)).copy()
    if case.variant == "mask":
        row = np.where(seen, 0.0, np.finfo(np.float32).min).astype(np.float32)
        arrays["mask"] = np.broadcast_to(row, (case.batch, 1, case.queries, case.keys)).copy()
    if case.variant == "alibi":
        slopes = (2.0 ** (-8.0 * np.arange(1, case.heads + 1) / case.heads)).astype(np.float32)
        arrays["slopes"] = slopes.reshape(1, case.heads, 1, 1)
    if case.paged:
        pages = case.batch * case.keys // PAGE
        arrays["table"] = random.permutation(pages).astype(np.int32).reshape(case.batch, -1)
        arrays["kv_len"] = np.full(case.batch, case.keys, np.int64)
    return arrays


def in_pages(rows: Array, table: Array) -> Array:
    """`[B, Hkv, K, ...]` as pages `[P, Hkv, PAGE, ...]` that `table` finds again."""
    batch, heads, keys = rows.shape[:3]
    pages = np.empty((table.size, heads, PAGE, *rows.shape[3:]), rows.dtype)
    pages[table] = rows.reshape(batch, heads, keys // PAGE, PAGE, *rows.shape[3:]).swapaxes(1, 2)
    return pages


def checked_rows(case: Case) -> Array:
    """Which rows of each head are compared."""
    count = CHECKED_ROWS if case.is_memory else case.queries
    return np.linspace(0, case.queries - 1, min(count, case.queries)).round().astype(np.int64)


def reference(case: Case, arrays: dict[str, Array]) -> Array:
    """The rows of `checked_rows` in float64, one head after the other."""
    rows = checked_rows(case)
    out = np.empty((case.batch, case.heads, len(rows), case.size))
    group = case.heads // case.kv_heads
    distance = rows[:, None] + (case.keys - case.queries) - np.arange(case.keys)
    hidden = (distance < 0) if case.causal else np.zeros_like(distance, bool)
    if case.variant == "window":
        hidden |= distance >= WINDOW
    mask = arrays.get("mask")
    for batch in range(case.batch):
        for head in range(case.heads):
            scores = arrays["q"][batch, head, rows].astype(np.float64) @ _wide(arrays, "k", batch, head // group).T * case.size**-0.5
            if case.variant == "softcap":
                scores = SOFTCAP * np.tanh(scores / SOFTCAP)
            if case.variant == "alibi":
                scores -= arrays["slopes"][0, head, 0, 0].astype(np.float64) * distance
            if case.variant == "score_mod":
                scores -= DECAY * np.abs(distance)
            if mask is not None and mask.dtype == np.bool_:
                scores[:, ~mask[batch, 0, 0]] = -np.inf
            elif mask is not None:
                scores += mask[batch, 0, rows]
            scores[hidden] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            out[batch, head] = weights @ _wide(arrays, "v", batch, head // group) / weights.sum(-1, keepdims=True)
    return out


def _wide(arrays: dict[str, Array], name: str, batch: int, head: int) -> Array:
    rows = arrays[name][batch, head].astype(np.float64)
    return rows * arrays[f"{name}_scale"][batch, head][:, None] if f"{name}_scale" in arrays else rows


def save(case: Case, folder: Path) -> None:
    """Write operands and reference."""
    arrays = make(case)
    save_arrays(arrays, reference(case, arrays), folder)


def error(case: Case, result: Array, folder: Path) -> float:
    """The error of a result `[B, H, Q, D]`, relative to the largest result."""
    shape = (case.batch, case.heads, case.queries, case.size)
    if result.size != math.prod(shape):
        return math.inf
    return error_of(result.reshape(shape)[:, :, checked_rows(case)], reference_of(folder))
