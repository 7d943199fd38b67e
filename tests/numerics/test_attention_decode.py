"""The attention template for few queries: lengths, grouped heads, positions, masks, element types, pages, slices, targets."""

from __future__ import annotations

from typing import Any

import aarch64_runner
import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.targets import find, host_target


def attention(q: ir.Value, k: ir.Value, v: ir.Value, *rest: ir.Value | None, **attributes: Any) -> list[ir.Value]:
    return tw.build_many("attention", q, k, v, *rest, **attributes)


def plain(queries: int | str, heads: int, kv_heads: int, size: int, value_size: int | None = None, **attributes: Any) -> TemplateKernel:
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


@pytest.mark.parametrize(("size", "value_size"), [(1, 1), (5, 16), (16, 3), (20, 36), (80, 64), (128, 128), (576, 512)])
def test_head_sizes(size: int, value_size: int) -> None:
    """Rows shorter than a vector, of whole vectors, and with a rest; a cache whose values are shorter than its keys."""
    plain(1, 4, 2, size, value_size).check(qkv(2, 4, 2, 1, 37, size, value_size), tolerance=1e-5)


@pytest.mark.parametrize(("queries", "group"), [(2, 4), (3, 1), (5, 3), (16, 1), (16, 4)])
def test_several_queries_are_causal(queries: int, group: int) -> None:
    kernel = plain(queries, 2 * group, 2, 24, causal=True)
    lowered = kernel.lower(host_target())
    for keys in (queries, 40, 129, 2):
        kernel.check(qkv(2, 2 * group, 2, queries, keys, 24), lowered=lowered, tolerance=1e-5)


def test_dynamic_number_of_queries() -> None:
    kernel = plain("d2", 4, 2, 16, causal=True)
    lowered = kernel.lower(host_target())
    for queries, keys in ((1, 50), (7, 7), (9, 65), (20, 33), (0, 5)):
        kernel.check(qkv(2, 4, 2, queries, keys, 16), lowered=lowered, tolerance=1e-5)


class Lengths:
    """Attention with lengths and offsets per batch element, and whatever else there is."""

    def __init__(self, queries: int = 2, heads: int = 4, kv_heads: int = 2, size: int = 32, **attributes: Any) -> None:
        shapes = [info(f"d0, {heads}, {queries}, {size}"), *[info(f"d0, {kv_heads}, d1, {size}")] * 2, *[info("d0", "i64")] * 2]
        body = lambda q, k, v, lengths, offsets: attention(q, k, v, None, lengths, offsets, scale=0.2, **attributes)  # noqa: E731
        self.kernel = TemplateKernel(shapes, body, decode=True)
        self.queries, self.heads, self.kv_heads, self.size = queries, heads, kv_heads, size

    def check(self, keys: int, lengths: list[int], offsets: list[int]) -> None:
        arrays = qkv(len(lengths), self.heads, self.kv_heads, self.queries, keys, self.size)
        self.kernel.check([*arrays, np.array(lengths), np.array(offsets)], tolerance=1e-5)


def test_lengths_per_batch_element() -> None:
    """No key, one, all, more than there are; queries in front of all keys."""
    case = Lengths(causal=True)
    case.check(70, [0, 1, 33, 70, 99], [0, 0, 31, 68, 68])
    case.check(70, [70, 40, 70, 70, 16], [-1, -5, 3, 100, 15])


@pytest.mark.parametrize(("window", "causal"), [(1, True), (7, True), (40, True), (9, False)])
def test_window(window: int, causal: bool) -> None:
    Lengths(queries=3, causal=causal, window=window).check(130, [130, 128, 64, 5], [127, 90, 61, 2])


def test_what_is_outside_of_the_range_is_not_read() -> None:
    """Keys and values past the length and in front of the window hold NaN."""
    case = Lengths(causal=True, window=20)
    arrays = qkv(2, 4, 2, 2, 100, 32)
    for cache in arrays[1:]:
        cache[0, :, 60:] = cache[0, :, :39] = np.nan
        cache[1, :, 18:] = np.nan
    (actual,) = case.kernel.run([*arrays, np.array([60, 18]), np.array([58, 16])])
    assert np.isfinite(actual).all()
    case.kernel.check([*(np.nan_to_num(a) for a in arrays), np.array([60, 18]), np.array([58, 16])], tolerance=1e-5)


@pytest.mark.parametrize("dtype", ["i1", "f32", "bf16"])
@pytest.mark.parametrize("mask", ["d0, 1, 1, d1", "d0, 1, 2, d1", "1, 4, 1, d1", "d0, 4, 2, 1"])
def test_masks(mask: str, dtype: str) -> None:
    shapes = [info("d0, 4, 2, 16"), info("d0, 2, d1, 16"), info("d0, 2, d1, 16"), info(mask, dtype)]
    kernel = TemplateKernel(shapes, lambda q, k, v, m: attention(q, k, v, m, scale=0.25), decode=True)
    lowered = kernel.lower(host_target())
    for keys in (21, 100):
        shape = [{"d0": 2, "d1": keys}.get(d.strip()) or int(d) for d in mask.split(",")]
        random = normal(*shape, seed=7)
        values = random < 0.3 if dtype == "i1" else random.astype(tw.numpy_dtype(dtype))
        kernel.check([*qkv(2, 4, 2, 2, keys, 16), values], lowered=lowered, tolerance=1e-5)


def test_rows_that_see_nothing_are_zero() -> None:
    shapes = [info("1, 4, 2, 16"), info("1, 2, d0, 16"), info("1, 2, d0, 16"), info("1, 1, 2, d0")]
    kernel = TemplateKernel(shapes, lambda q, k, v, m: attention(q, k, v, m, scale=0.25, logsumexp=True), decode=True)
    mask = np.zeros((1, 1, 2, 50), np.float32)
    mask[:, :, 1] = -np.inf
    out, logsumexp = kernel.run([*qkv(1, 4, 2, 2, 50, 16), mask])
    assert (out[:, :, 1] == 0).all() and (out[:, :, 0] != 0).all()
    assert np.isneginf(logsumexp[:, :, 1]).all() and np.isfinite(logsumexp[:, :, 0]).all()


def test_soft_cap_sinks_and_logsumexp() -> None:
    shapes = [info("d0, 6, 2, 32"), info("d0, 2, d1, 32"), info("d0, 2, d1, 32"), info("d0", "i64"), info("6")]

    def body(q: ir.Value, k: ir.Value, v: ir.Value, lengths: ir.Value, sinks: ir.Value) -> list[ir.Value]:
        return attention(q, k, v, None, lengths, None, sinks, scale=1.0, softcap=3.0, causal=True, logsumexp=True)

    kernel = TemplateKernel(shapes, body, decode=True)
    sinks = np.array([-1e4, 0.0, 2.0, 50.0, 1.0, -3.0], np.float32)
    kernel.check([*qkv(3, 6, 2, 2, 67, 32), np.array([67, 4, 0]), sinks], tolerance=1e-5)


@pytest.mark.parametrize("visible", [False, True])
def test_region(visible: bool) -> None:
    """A slope per head, a bias per query and key, and where asked, a region that hides keys."""
    shapes = [info("d0, 4, 2, 16"), info("d0, 2, d1, 16"), info("d0, 2, d1, 16"), info("1, 4, 1, 1"), info("2, d1", "i1")]

    def score(value: ir.Value, b: ir.Value, h: ir.Value, q: ir.Value, k: ir.Value, slope: ir.Value, odd: ir.Value) -> list[ir.Value]:
        distance = arith.sitofp(ir.F32Type.get(), arith.subi(arith.addi(k, h), arith.addi(q, b)))
        changed = arith.select(odd, arith.addf(value, arith.mulf(slope, distance)), value)
        three = arith.constant(ir.IntegerType.get_signless(64), 3)
        seen = arith.cmpi(arith.CmpIPredicate.ne, arith.remsi(k, three), arith.constant(ir.IntegerType.get_signless(64), 0))
        return [changed, seen] if visible else [changed]

    def body(q: ir.Value, k: ir.Value, v: ir.Value, slopes: ir.Value, odd: ir.Value) -> list[ir.Value]:
        types = [ir.F32Type.get(), *[ir.IntegerType.get_signless(64)] * 4, ir.F32Type.get(), ir.IntegerType.get_signless(1)]
        detached = ir.Operation.create("tw.detached", regions=1, ip=False)
        region = detached.regions[0].blocks.append(*types)
        with ir.InsertionPoint(region):
            tw.yield_(score(*region.arguments))
        rest = [None] * 7
        return tw.build_many("attention", q, k, v, *rest, [slopes, odd], region=region, scale=0.25, softcap=5.0)

    kernel = TemplateKernel(shapes, body, decode=True)
    lowered = kernel.lower(host_target())
    for keys in (5, 90):
        odd = np.random.default_rng(0).random((2, keys)) < 0.5
        kernel.check([*qkv(2, 4, 2, 2, keys, 16), normal(1, 4, 1, 1), odd], lowered=lowered, tolerance=1e-5)


def test_projections_are_read_and_written_in_place() -> None:
    """The queries as [B, Q, H*D], the cache as [B, K, Hkv, D], the result as [B, Q, H, D]."""

    def swapped(x: ir.Value) -> ir.Value:
        return tw.build("transpose", x, permutation=(0, 2, 1, 3))

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        (out,) = attention(swapped(q), swapped(k), swapped(v), scale=0.2)
        return [swapped(out)]

    kernel = TemplateKernel([info("d0, 2, 6, 20"), info("d0, d1, 3, 20"), info("d0, d1, 3, 20")], body, decode=True)
    kernel.check([normal(2, 2, 6, 20), normal(2, 41, 3, 20, seed=1), normal(2, 41, 3, 20, seed=2)], tolerance=1e-5)


def test_large_scores_and_nan() -> None:
    kernel = plain(1, 4, 2, 16)
    q, k, v = qkv(1, 4, 2, 1, 50, 16)
    kernel.check([q * 100, k * 100, v], tolerance=2e-4)
    q[0, 1] = np.nan
    (actual,) = kernel.run([q, k, v])
    assert np.isnan(actual[0, 1]).all() and np.isnan(actual).sum() == 16


def test_splitting_the_range_changes_nothing() -> None:
    kernel = plain(1, 8, 4, 16)
    arrays = qkv(3, 8, 4, 1, 90, 16)
    (whole,) = kernel.run(arrays)
    (parts,) = kernel.run(arrays, splits=(0.2, 0.45, 0.8))
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize("name", ["cpu:x86-64-v3", "cpu:aarch64"])
def test_other_targets(name: str) -> None:
    target = find(name)
    kernel = plain(2, 4, 2, 20, causal=True, softcap=4.0, window=30)
    text, layouts = kernel.lower(target)
    if target.arch != host_target().arch and (target.arch != "aarch64" or aarch64_runner.missing() is not None):
        pytest.skip(f"{name} code does not run here")
    kernel.check(qkv(1, 4, 2, 2, 60, 20), target=target, lowered=(text, layouts), tolerance=1e-5)
