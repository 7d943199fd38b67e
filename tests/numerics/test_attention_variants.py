"""Variants of attention with many queries: windows, lengths, soft caps, sinks, the second result, score regions, masks that skip keys."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw
from tilewright.targets import find, host_target

SLOTS = ("mask", "kv_len", "q_offset", "sinks")
SMALL_TILES = {"vectors": 2, "rows": 4, "block": 256}
"""Half the code of the tiles that the rule chooses, for the sake of the compile time."""
CHOSEN_TILES: dict[str, int] = {}
Score = Callable[..., ir.Value | Sequence[ir.Value]]


def kernel(
    heads: int,
    kv_heads: int,
    size: int,
    extra: dict[str, tuple[str, str]] | None = None,
    *,
    score: Score | None = None,
    score_inputs: Sequence[tuple[str, str]] = (),
    value_size: int | None = None,
    dtype: str = "f32",
    schedule: dict[str, int] = SMALL_TILES,
    **attributes: Any,
) -> TemplateKernel:
    """`[d0, heads, d1, size]` queries over d2 keys; `extra` are optional operands by name, with shape and dtype."""
    extra = extra or {}
    given = [name for name in SLOTS if name in extra]
    shapes = [f"d0, {heads}, d1, {size}", f"d0, {kv_heads}, d2, {size}", f"d0, {kv_heads}, d2, {value_size or size}"]
    infos = [*(info(s, dtype) for s in shapes), *(info(*extra[name]) for name in given), *(info(*i) for i in score_inputs)]

    def body(q: ir.Value, k: ir.Value, v: ir.Value, *rest: ir.Value) -> list[ir.Value]:
        operands = dict(zip(given, rest))
        inputs = list(rest[len(given) :])
        region = None if score is None else tw.score_region(inputs, score)
        optional = [*(operands.get(name) for name in SLOTS), None, None, None]
        return list(tw.build_many("attention", q, k, v, *optional, inputs, scale=size**-0.5, region=region, **attributes))

    return TemplateKernel(infos, body, overrides=schedule if dtype == "f32" else {})


def qkv(batch: int, heads: int, kv_heads: int, queries: int, keys: int, size: int, value_size: int | None = None) -> list[np.ndarray]:
    return [
        normal(batch, heads, queries, size),
        normal(batch, kv_heads, keys, size, seed=1),
        normal(batch, kv_heads, keys, value_size or size, seed=2),
    ]


LENGTHS = [(1, 1), (1, 9), (33, 31), (7, 513), (100, 64), (70, 270)]


def check(made: TemplateKernel, arrays: Sequence[np.ndarray], lowered: Any = None, tolerance: float = 2e-5, target: Any = None) -> None:
    """Results are those of the reference, relative to the largest of each; infinities in the same places."""
    expected = made.reference(arrays)
    for actual, wanted in zip(made.run(arrays, target, lowered=lowered), expected, strict=True):
        assert actual.shape == wanted.shape and actual.dtype == wanted.dtype
        finite = np.isfinite(wanted.astype(np.float64))
        np.testing.assert_array_equal(actual[~finite], wanted[~finite])
        if finite.any():
            scale = max(1.0, float(np.abs(wanted[finite].astype(np.float64)).max()))
            np.testing.assert_allclose(actual[finite], wanted[finite], rtol=0, atol=tolerance * scale)


def check_lengths(made: TemplateKernel, heads: int, kv_heads: int, size: int, *more: Callable[[int, int], np.ndarray], **how: Any) -> None:
    """One lowered kernel over all of `LENGTHS`, and over no queries."""
    lowered = made.lower(host_target())
    for queries, keys in [*LENGTHS, (0, 5)]:
        rest = [function(queries, keys) for function in more]
        check(made, [*qkv(2, heads, kv_heads, queries, keys, size), *rest], lowered=lowered, **how)


def check_splits(made: TemplateKernel, arrays: Sequence[np.ndarray]) -> None:
    """Any cut of the range of units gives the same bits."""
    lowered = made.lower(host_target())
    whole, parts = made.run(arrays, lowered=lowered), made.run(arrays, splits=(0.2, 0.45, 0.8), lowered=lowered)
    for expected, actual in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("group", "window"), [(1, 1), (1, 40), (4, 5), (2, 260)])
def test_window(group: int, window: int, causal: bool) -> None:
    made = kernel(4, 4 // group, 16, window=window, causal=causal, schedule=CHOSEN_TILES if group == 1 else SMALL_TILES)
    check_lengths(made, 4, 4 // group, 16)
    check_splits(made, qkv(2, 4, 4 // group, 70, 300, 16))


def test_window_with_offsets_and_lengths() -> None:
    made = kernel(4, 2, 16, {"kv_len": ("d0", "i64"), "q_offset": ("d0", "i64")}, window=30, causal=True)
    check(made, [*qkv(4, 4, 2, 40, 300, 16), np.array([290, 7, 0, 300]), np.array([250, -3, 0, 1 << 40])])


@pytest.mark.parametrize("causal", [True, False])
def test_key_lengths(causal: bool) -> None:
    made = kernel(2, 2, 16, {"kv_len": ("d0", "i64")}, causal=causal)
    lowered = made.lower(host_target())
    for queries, keys in LENGTHS:
        q, k, v = qkv(3, 2, 2, queries, keys, 16)
        lengths = np.array([keys, keys // 2, 0])
        for b, length in enumerate(lengths):
            v[b, :, length:] = np.nan
        check(made, [q, k, v, lengths], lowered=lowered)


@pytest.mark.parametrize("cap", [0.5, 30.0])
def test_softcap(cap: float) -> None:
    made = kernel(4, 2, 16, softcap=cap, causal=True, schedule=CHOSEN_TILES)
    check_lengths(made, 4, 2, 16)
    q, k, v = qkv(1, 4, 2, 20, 30, 16)
    # Scores far beyond the cap.
    check(made, [q * 100, k * 100, v])
    check(made, [q * 1e-3, k, v])


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_sinks(group: int, dtype: str) -> None:
    made = kernel(4, 4 // group, 16, {"sinks": ("4", dtype)}, causal=True, logsumexp=True)
    values = tw.numpy_dtype(dtype).type(0) + np.array([-1.0, 0.5, 30.0, -np.inf]).astype(tw.numpy_dtype(dtype))
    check_lengths(made, 4, 4 // group, 16, lambda q, k: values)


@pytest.mark.parametrize("group", [1, 4])
def test_logsumexp(group: int) -> None:
    made = kernel(4, 4 // group, 16, causal=True, logsumexp=True)
    check_lengths(made, 4, 4 // group, 16)
    check_splits(made, qkv(2, 4, 4 // group, 70, 90, 16))
    _, statistics = made.run(qkv(1, 4, 4 // group, 40, 10, 16))
    assert np.isneginf(statistics[:, :, :30]).all() and np.isfinite(statistics[:, :, 30:]).all()


def test_logsumexp_through_movement() -> None:
    """Both results leave by strides; the second one first."""

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        out, statistics = tw.build_many("attention", q, k, v, scale=0.25, logsumexp=True)
        return [tw.build("transpose", statistics, permutation=(0, 2, 1)), tw.build("transpose", out, permutation=(0, 2, 1, 3))]

    TemplateKernel([info("d0, 3, d1, 16")] * 3, body).check([normal(2, 3, 37, 16, seed=i) for i in range(3)])


F32, I1, I64 = "f32", "i1", "i64"


def constant(value: float, like: ir.Value) -> ir.Value:
    return arith.constant(like.type, value)


def alibi(s: ir.Value, b: ir.Value, h: ir.Value, q: ir.Value, k: ir.Value, slope: ir.Value) -> ir.Value:
    return arith.subf(s, arith.mulf(slope, arith.sitofp(s.type, arith.subi(q, k))))


def slopes(heads: int) -> np.ndarray:
    return (2.0 ** -np.arange(1, heads + 1)).astype(np.float32)


@pytest.mark.parametrize("group", [1, 2])
def test_alibi_as_a_region(group: int) -> None:
    made = kernel(4, 4 // group, 16, score=alibi, score_inputs=[("4, 1, 1", F32)], causal=True)
    check_lengths(made, 4, 4 // group, 16, lambda q, k: slopes(4)[:, None, None])
    check_splits(made, [*qkv(2, 4, 4 // group, 70, 90, 16), slopes(4)[:, None, None]])


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("shape", ["1, 4, 1, d2", "d0, 4, 1, d2", "1, 4, d1, d2"])
def test_alibi_as_a_mask(group: int, shape: str) -> None:
    made = kernel(4, 4 // group, 16, {"mask": (shape, F32)}, causal=True)

    def bias(queries: int, keys: int) -> np.ndarray:
        distance = np.arange(keys) - (np.arange(queries)[:, None] if "d1" in shape else 0)
        values = slopes(4)[None, :, None, None] * distance.reshape(-1, keys)
        return np.ascontiguousarray(np.broadcast_to(values, (2 if "d0" in shape else 1, *values.shape[1:])), np.float32)

    check_lengths(made, 4, 4 // group, 16, bias)


def indices(s: ir.Value, b: ir.Value, h: ir.Value, q: ir.Value, k: ir.Value) -> list[ir.Value]:
    """All four indices, in arithmetic that fits 32 bits and in some that does not; keys of other residues are hidden."""
    i64 = q.type
    distance = arith.maxsi(arith.subi(q, k), arith.subi(k, q))
    wide = arith.muli(arith.addi(distance, arith.constant(i64, 1 << 40)), arith.constant(i64, 3))
    mixed = arith.addi(arith.muli(b, arith.constant(i64, 5)), arith.muli(h, arith.constant(i64, 7)))
    shift = arith.sitofp(s.type, arith.subi(wide, arith.constant(i64, 3 << 40)))
    changed = arith.addf(s, arith.mulf(constant(0.001, s), arith.addf(shift, arith.sitofp(s.type, mixed))))
    residue = arith.remsi(arith.addi(k, h), arith.constant(i64, 3))
    near = arith.cmpi(arith.CmpIPredicate.slt, distance, arith.floordivsi(k, arith.constant(i64, 2)))
    return [changed, arith.ori(near, arith.cmpi(arith.CmpIPredicate.eq, residue, arith.constant(i64, 1)))]


@pytest.mark.parametrize("group", [1, 4])
def test_region_of_indices_that_hides_keys(group: int) -> None:
    made = kernel(4, 4 // group, 16, score=indices, logsumexp=True)
    check_lengths(made, 4, 4 // group, 16)
    check_splits(made, qkv(2, 4, 4 // group, 70, 90, 16))


def by_input(dtype: str) -> Score:
    """What a region may do with an input: add a float, compare an integer, choose by a boolean."""

    def score(s: ir.Value, b: ir.Value, h: ir.Value, q: ir.Value, k: ir.Value, x: ir.Value) -> list[ir.Value]:
        if dtype in ("f32", "bf16", "f16"):
            wide = x if dtype == "f32" else arith.extf(s.type, x)
            return [arith.addf(s, wide), arith.cmpf(arith.CmpFPredicate.OLT, wide, constant(1.0, s))]
        if dtype == "i1":
            return [arith.select(x, s, arith.negf(s)), arith.ori(x, arith.cmpi(arith.CmpIPredicate.slt, k, q))]
        same = arith.cmpi(arith.CmpIPredicate.ne, x, arith.constant(x.type, 1))
        return [arith.addf(s, arith.sitofp(s.type, x)), same]

    return score


BROADCASTS = ["1", "4, 1, 1", "d0, 1, 1, 1", "d0, 1, 1, d2", "d0, 1, d1, 1", "1, 4, 1, d2", "d1, d2", "d0, 4, d1, d2"]
"""One element for all, for a head, for a batch element, for a key, for a query, and for combinations."""


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [*(("f32", shape) for shape in BROADCASTS), *itertools.product(("bf16", "f16", "i1", "i8", "i32", "i64"), BROADCASTS[3::2])],
)
def test_score_inputs(shape: str, dtype: str) -> None:
    made = kernel(4, 2, 16, score=by_input(dtype), score_inputs=[(shape, dtype)])
    lowered = made.lower(host_target())
    for queries, keys in ((5, 21), (37, 300)):
        sizes = {"d0": 2, "d1": queries, "d2": keys}
        dims = [sizes.get(d.strip()) or int(d) for d in shape.split(",")]
        values = normal(*dims, seed=9)
        held = (values > 0 if dtype == "i1" else values * 2).astype(tw.numpy_dtype(dtype))
        check(made, [*qkv(2, 4, 2, queries, keys, 16), held], lowered=lowered)


def test_documents() -> None:
    """Queries see keys of their own document, by i64 numbers of documents for queries and for keys."""

    def score(s: ir.Value, b: ir.Value, h: ir.Value, q: ir.Value, k: ir.Value, of_q: ir.Value, of_k: ir.Value) -> list[ir.Value]:
        return [s, arith.cmpi(arith.CmpIPredicate.eq, of_q, of_k)]

    made = kernel(2, 2, 16, score=score, score_inputs=[("d0, 1, d1, 1", I64), ("d0, 1, 1, d2", I64)], causal=True)
    numbers = np.sort(np.random.default_rng(0).integers(0, 5, (2, 90))) * (1 << 40)
    check(made, [*qkv(2, 2, 2, 90, 90, 16), numbers[:, None, :, None], numbers[:, None, None, :]])


def test_region_with_softcap_mask_sinks_and_window() -> None:
    """Everything at once, in the order of the op."""
    extra = {"mask": ("d0, 1, 1, d2", I1), "kv_len": ("d0", I64), "q_offset": ("d0", I64), "sinks": ("4", F32)}
    inputs = [("4, 1, 1", F32)]
    limits: dict[str, Any] = {"causal": True, "window": 90, "softcap": 2.0}
    made = kernel(4, 2, 16, extra, score=alibi, score_inputs=inputs, logsumexp=True, value_size=24, schedule=CHOSEN_TILES, **limits)
    mask = np.random.default_rng(0).random((2, 1, 1, 300)) < 0.7
    arrays = [*qkv(2, 4, 2, 70, 300, 16, 24), mask, np.array([300, 170]), np.array([200, 100]), normal(4), slopes(4)[:, None, None]]
    check(made, arrays)
    check_splits(made, arrays)


def test_region_of_functions() -> None:
    """Functions of the vector library, and minus infinity as a score."""

    def score(s: ir.Value, b: ir.Value, h: ir.Value, q: ir.Value, k: ir.Value) -> ir.Value:
        bent = arith.mulf(math.tanh(arith.mulf(s, constant(0.5, s))), math.exp(arith.mulf(s, constant(0.1, s))))
        seen = arith.cmpi(arith.CmpIPredicate.sle, k, q)
        return arith.select(seen, bent, constant(float("-inf"), s))

    made = kernel(2, 2, 16, score=score, logsumexp=True)
    check_lengths(made, 2, 2, 16)


def padding(kind: str, batch: int, keys: int) -> np.ndarray:
    """Masks of a batch: padded behind, in front, with a hole, nowhere, everywhere."""
    seen = np.zeros((batch, keys), bool)
    for b in range(batch):
        lows = [0, keys // 3, 0, 0, keys]
        highs = [keys - keys // 4, keys, keys, keys, keys]
        seen[b, lows[b % 5] : highs[b % 5]] = True
        if b % 5 == 2:
            seen[b, keys // 4 : keys // 2] = False
    if kind == "i1":
        return seen
    lowest = {"-inf": -np.inf, "lowest": float(np.finfo(np.float32).min)}[kind]
    return np.where(seen, normal(batch, keys, seed=3), lowest).astype(np.float32)


@pytest.mark.parametrize("kind", ["i1", "-inf", "lowest"])
@pytest.mark.parametrize("attributes", [{}, {"causal": True}, {"causal": True, "window": 40}, {"logsumexp": True}])
def test_padding_masks(kind: str, attributes: dict[str, Any]) -> None:
    made = kernel(2, 2, 16, {"mask": ("d0, 1, 1, d2", I1 if kind == "i1" else F32)}, **attributes)
    lowered = made.lower(host_target())
    for queries, keys in ((5, 21), (37, 300), (100, 100), (1, 1), (64, 513)):
        mask = padding(kind, 4 if kind == "lowest" and attributes.get("logsumexp") else 5, keys)
        arrays = [*qkv(len(mask), 2, 2, queries, keys, 16), mask[:, None, None]]
        check(made, arrays, lowered=lowered, tolerance=1e-4)


@pytest.mark.parametrize("kind", ["i1", "-inf", "lowest"])
def test_blocks_that_a_mask_hides(kind: str) -> None:
    """A mask of queries and keys that hides whole blocks of 256 keys: in front, between, behind, and everywhere for some queries."""
    made = kernel(2, 1, 16, {"mask": ("d0, 1, d1, d2", I1 if kind == "i1" else F32)}, logsumexp=kind != "lowest")
    queries, keys = 200, 1000
    seen = np.abs(np.arange(queries)[:, None] * 5 - np.arange(keys)) < 60
    seen[:, :20] |= np.arange(queries)[:, None] % 64 < 32
    seen[100:132] = False
    lowest = {"-inf": -np.inf, "lowest": float(np.finfo(np.float32).min)}.get(kind, 0)
    mask = seen if kind == "i1" else np.where(seen, 0.25, lowest).astype(np.float32)
    arrays = [*qkv(1, 2, 1, queries, keys, 16), mask[None, None]]
    check(made, arrays, tolerance=1e-4)
    check_splits(made, arrays)


def test_hidden_blocks_are_not_read() -> None:
    """What a mask hides from a whole tile may be anything, even NaN."""
    made = kernel(1, 1, 16, {"mask": ("1, 1, 1, d2", I1)})
    q, k, v = qkv(1, 1, 1, 40, 600, 16)
    k[:, :, :100], v[:, :, 500:] = np.nan, np.nan
    seen = (np.arange(600) >= 100) & (np.arange(600) < 500)
    (actual,) = made.run([q, k, v, seen[None, None, None]])
    expected = made.reference([q, k[:, :, 100:500], v[:, :, 100:500], seen[None, None, None, 100:500]])[0]
    np.testing.assert_allclose(actual, expected, atol=2e-5)


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_masks_of_narrow_floats(dtype: str) -> None:
    made = kernel(2, 2, 16, {"mask": ("d0, 1, d1, d2", dtype)})
    values = normal(2, 1, 37, 60)
    values[0, :, 3], values[1, :, :, 7] = -np.inf, -np.inf
    check(made, [*qkv(2, 2, 2, 37, 60, 16), values.astype(tw.numpy_dtype(dtype))])


@pytest.mark.parametrize(("heads", "size", "value_size"), [(3, 13, 5), (2, 1, 1), (1, 192, 128)])
def test_odd_sizes_with_everything_that_hides(heads: int, size: int, value_size: int) -> None:
    made = kernel(heads, heads, size, {"mask": ("d0, 1, d1, d2", I1)}, causal=True, window=11, value_size=value_size)
    for queries, keys in ((0, 0), (3, 0), (0, 3), (1, 1), (35, 21)):
        mask = np.random.default_rng(0).random((2, 1, queries, keys)) < 0.8
        check(made, [*qkv(2, heads, heads, queries, keys, size, value_size), mask])


@pytest.mark.parametrize("variant", ["window", "softcap", "alibi", "padding"])
def test_bf16(variant: str) -> None:
    attributes: dict[str, Any] = {"window": {"window": 40}, "softcap": {"softcap": 5.0}}.get(variant, {})
    extra = {"mask": ("d0, 1, 1, d2", I1)} if variant == "padding" else {}
    inputs = [("4, 1, 1", F32)] if variant == "alibi" else []
    made = kernel(
        4, 2, 32, extra, score=alibi if inputs else None, score_inputs=inputs, causal=True, dtype="bf16", logsumexp=True, **attributes
    )
    bf16 = tw.numpy_dtype("bf16")
    arrays = [x.astype(bf16) for x in qkv(2, 4, 2, 150, 290, 32)]
    more = [padding("i1", 2, 290)[:, None, None]] if extra else [slopes(4)[:, None, None]] if inputs else []
    check(made, [*arrays, *more], tolerance=1e-2)


@pytest.mark.parametrize("name", ["cpu:x86-64-v3"])
def test_other_targets(name: str) -> None:
    target = find(name)
    if host_target().arch != target.arch:
        pytest.skip(f"{name} code does not run here")
    extra = {"mask": ("d0, 1, d1, d2", I1), "sinks": ("4", F32)}
    made = kernel(4, 2, 16, extra, score=alibi, score_inputs=[("4, 1, 1", F32)], causal=True, window=50, softcap=3.0, logsumexp=True)
    mask = np.random.default_rng(0).random((2, 1, 70, 90)) < 0.8
    check(made, [*qkv(2, 4, 2, 70, 90, 16), mask, normal(4), slopes(4)[:, None, None]], target=target)
