"""The f32 attention template: lengths, grouped heads, causality, masks, layouts, split invariance, targets."""

from __future__ import annotations

from typing import Any

import aarch64_runner
import numpy as np
import pytest
from level3_runner import compile_level3
from template_kernels import TemplateKernel, info, normal, tw_context

from tilewright.core.diagnostics import UnsupportedError, VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.templates.attention import lower_attention_kernel
from tilewright.passes.schedules.attention import attention_template_supports
from tilewright.targets import find, host_target


def attention(
    q: ir.Value,
    k: ir.Value,
    v: ir.Value,
    mask: ir.Value | None = None,
    kv_len: ir.Value | None = None,
    q_offset: ir.Value | None = None,
    **attributes: Any,
) -> ir.Value:
    return tw.build("attention", q, k, v, mask, kv_len, q_offset, None, **attributes)


def plain(heads: int, kv_heads: int, size: int, value_size: int | None = None, **attributes: Any) -> TemplateKernel:
    shapes = [info(f"d0, {heads}, d1, {size}"), info(f"d0, {kv_heads}, d2, {size}"), info(f"d0, {kv_heads}, d2, {value_size or size}")]
    return TemplateKernel(shapes, lambda q, k, v: [attention(q, k, v, scale=size**-0.5, **attributes)])


def qkv(batch: int, heads: int, kv_heads: int, queries: int, keys: int, size: int, value_size: int | None = None) -> list[np.ndarray]:
    return [
        normal(batch, heads, queries, size),
        normal(batch, kv_heads, keys, size, seed=1),
        normal(batch, kv_heads, keys, value_size or size, seed=2),
    ]


LENGTHS = [(1, 1), (1, 9), (5, 7), (16, 16), (33, 31), (40, 300), (7, 513), (100, 64), (203, 210)]


def test_one_kernel_for_all_lengths() -> None:
    kernel = plain(3, 3, 32)
    lowered = kernel.lower(host_target())
    for queries, keys in [*LENGTHS, (0, 5)]:
        kernel.check(qkv(2, 3, 3, queries, keys, 32), lowered=lowered)


@pytest.mark.parametrize("group", [1, 4])
def test_causal(group: int) -> None:
    kernel = plain(4, 4 // group, 16, causal=True)
    lowered = kernel.lower(host_target())
    for queries, keys in LENGTHS:
        kernel.check(qkv(2, 4, 4 // group, queries, keys, 16), lowered=lowered)


@pytest.mark.parametrize(("heads", "kv_heads"), [(6, 2), (8, 1), (3, 3)])
def test_grouped_heads(heads: int, kv_heads: int) -> None:
    kernel = plain(heads, kv_heads, 24)
    lowered = kernel.lower(host_target())
    for queries, keys in ((1, 40), (3, 17), (21, 50)):
        kernel.check(qkv(2, heads, kv_heads, queries, keys, 24), lowered=lowered)


@pytest.mark.parametrize(("size", "value_size"), [(4, 4), (8, 16), (20, 12), (64, 64), (80, 80), (13, 5), (1, 1), (128, 32)])
def test_head_sizes(size: int, value_size: int) -> None:
    plain(2, 2, size, value_size).check(qkv(1, 2, 2, 19, 37, size, value_size))


def masked(mask: str, dtype: str, heads: int = 4, kv_heads: int = 4, **attributes: Any) -> TemplateKernel:
    shapes = [info(f"d0, {heads}, d1, 16"), info(f"d0, {kv_heads}, d2, 16"), info(f"d0, {kv_heads}, d2, 16"), info(mask, dtype)]
    return TemplateKernel(shapes, lambda q, k, v, m: [attention(q, k, v, m, scale=0.25, **attributes)])


@pytest.mark.parametrize("dtype", ["i1", "f32"])
@pytest.mark.parametrize(
    ("mask", "kv_heads"),
    [
        ("d0, 1, 1, d2", 2),
        ("d0, 1, d1, d2", 4),
        ("1, 1, 1, d2", 4),
        ("d1, d2", 2),
        ("d0, 4, 1, d2", 4),
        ("d0, 4, 1, d2", 2),
        ("d0, 1, d1, 1", 4),
        ("d0, 4, d1, d2", 2),
    ],
)
def test_masks(mask: str, dtype: str, kv_heads: int) -> None:
    kernel = masked(mask, dtype, kv_heads=kv_heads)
    lowered = kernel.lower(host_target())
    for queries, keys in ((5, 21), (37, 300)):
        sizes = {"d0": 2, "d1": queries, "d2": keys}
        shape = [sizes.get(d.strip()) or int(d) for d in mask.split(",")]
        values = np.random.default_rng(0).random(shape) < 0.6 if dtype == "i1" else normal(*shape, seed=7)
        kernel.check([*qkv(2, 4, kv_heads, queries, keys, 16), values], lowered=lowered)


def test_mask_and_causal_together() -> None:
    kernel = masked("d0, 1, 1, d2", "i1", causal=True)
    mask = np.arange(50)[None, None, None, :] < np.array([50, 31])[:, None, None, None]
    kernel.check([*qkv(2, 4, 4, 50, 50, 16), mask])


@pytest.mark.parametrize("lowest", [-np.inf, float(np.finfo(np.float32).min), -1e4])
def test_very_negative_additive_masks(lowest: float) -> None:
    """Some rows keep some keys, one row keeps none: -inf gives 0 there, finite values a softmax of what they all carry."""
    kernel = masked("d0, 1, d1, d2", "f32")
    mask = np.where(np.random.default_rng(0).random((2, 1, 9, 21)) < 0.5, 0.0, lowest).astype(np.float32)
    mask[0, 0, 3] = lowest
    # A mask of -1e4 leaves few bits to the scores in f32.
    kernel.check([*qkv(2, 4, 4, 9, 21, 16), mask], tolerance=1e-3 if lowest == -1e4 else 2e-5)


def test_rows_that_see_nothing_are_zero() -> None:
    causal = plain(2, 2, 16, causal=True)
    arrays = qkv(1, 2, 2, 40, 10, 16)
    (actual,) = causal.run(arrays)
    assert (actual[:, :, :30] == 0).all() and (actual[:, :, 30:] != 0).all()
    hidden = masked("d0, 1, 1, d2", "i1")
    (actual,) = hidden.run([*qkv(2, 4, 4, 7, 33, 16), np.zeros((2, 1, 1, 33), bool)])
    assert (actual == 0).all()


def test_key_lengths_and_query_offsets() -> None:
    shapes = [info("d0, 4, d1, 16"), info("d0, 2, d2, 16"), info("d0, 2, d2, 16"), info("d0", "i64"), info("d0", "i64")]

    def body(q: ir.Value, k: ir.Value, v: ir.Value, lengths: ir.Value, offsets: ir.Value) -> list[ir.Value]:
        return [attention(q, k, v, None, lengths, offsets, scale=0.25, causal=True)]

    kernel = TemplateKernel(shapes, body)
    kernel.check([*qkv(3, 4, 2, 6, 300, 16), np.array([290, 7, 0]), np.array([284, 3, 0])])


def test_projections_are_read_and_written_in_place() -> None:
    """q, k, v as [B, S, H*D], viewed head by head; the result as [B, S, H*D]."""

    def heads(x: ir.Value) -> ir.Value:
        split = tw.build("reshape", x, shape=tw.parse_shape("d0, d1, 3, 20"))
        return tw.build("transpose", split, permutation=(0, 2, 1, 3))

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        out = tw.build("transpose", attention(heads(q), heads(k), heads(v), scale=0.2), permutation=(0, 2, 1, 3))
        return [tw.build("reshape", out, shape=tw.parse_shape("d0, d1, 60"))]

    kernel = TemplateKernel([info("d0, d1, 60")] * 3, body)
    kernel.check([normal(2, 41, 60, seed=i) for i in range(3)])


@pytest.mark.parametrize(("vectors", "rows"), [(1, 8), (2, 8), (3, 8), (4, 6)])
@pytest.mark.parametrize("causal", [False, True])
def test_tiles_of_all_widths(vectors: int, rows: int, causal: bool) -> None:
    """The first tile of a head lacks rows in front, later ones are whole; vectors drop out one by one at the diagonal."""
    if host_target().vector_registers < 32:
        pytest.skip("tiles of so many accumulators need 32 vector registers")
    kernel = plain(2, 2, 20, causal=causal)
    kernel.overrides = {"vectors": vectors, "rows": rows, "block": 48}
    lowered = kernel.lower(host_target())
    for queries, keys in ((1, 100), (15, 15), (64, 64), (65, 70), (130, 101)):
        kernel.check(qkv(1, 2, 2, queries, keys, 20), lowered=lowered)


def test_splitting_the_range_changes_nothing() -> None:
    kernel = plain(4, 2, 16, causal=True)
    lowered = kernel.lower(host_target())
    arrays = qkv(2, 4, 2, 70, 90, 16)
    (whole,) = kernel.run(arrays, lowered=lowered)
    (parts,) = kernel.run(arrays, splits=(0.2, 0.45, 0.8), lowered=lowered)
    np.testing.assert_array_equal(parts, whole)


def test_large_scores_do_not_overflow() -> None:
    kernel = plain(1, 1, 16)
    q, k, v = qkv(1, 1, 1, 20, 30, 16)
    kernel.check([q * 100, k * 100, v], tolerance=2e-4)


@pytest.mark.parametrize("softcap", [0.0, 0.5])
def test_nan_stays_in_its_row(softcap: float) -> None:
    q, k, v = qkv(1, 2, 2, 50, 30, 16)
    kernel = plain(2, 2, 16, softcap=softcap)
    (expected,) = kernel.reference([q, k, v])
    q[0, 1, 3, 2] = np.nan
    (actual,) = kernel.run([q, k, v])
    assert np.isnan(actual[0, 1, 3]).all() and np.isnan(actual).sum() == 16
    np.testing.assert_allclose(np.where(np.isnan(actual), expected, actual), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["cpu:x86-64-v3", "cpu:aarch64"])
def test_other_targets(name: str) -> None:
    target = find(name)
    kernel = masked("d0, 1, 1, d2", "i1", kv_heads=2, causal=True)
    text, nr = kernel.lower(target)
    if target.arch == "aarch64":
        assert compile_level3(text, target).instruction_mix["fmla"] >= 32
        if target.arch != host_target().arch and aarch64_runner.missing() is not None:
            pytest.skip(str(aarch64_runner.missing()))
    elif host_target().arch != target.arch:
        pytest.skip(f"{name} code does not run here")
    mask = np.arange(60)[None, None, None, :] < np.array([60, 41])[:, None, None, None]
    kernel.check([*qkv(2, 4, 2, 35, 60, 16), mask], target=target, lowered=(text, nr))


def lowering_error(kernel: TemplateKernel, schedule: str, error: type[Exception]) -> str:
    with tw_context():
        module = ir.Module.parse(kernel.level2())
        function = module.body.operations[0]
        function.operation.attributes["tw.schedule"] = ir.Attribute.parse(schedule)
        with pytest.raises(error) as caught:
            lower_attention_kernel(function, find("cpu:x86-64-v4"))
        return str(caught.value)


GOOD = '{kind = "attention", vectors = 2, rows = 8, block = 256, source = "user"}'


def test_what_the_template_does_not_cover_is_named() -> None:
    wide = TemplateKernel([info("1, 2, 4, 1024")] * 3, lambda q, k, v: [attention(q, k, v, scale=1.0)])
    message = lowering_error(wide, GOOD, UnsupportedError)
    assert "head size" in message and "decompose" in message
    double = TemplateKernel([info("1, 2, 4, 16", "f64")] * 3, lambda q, k, v: [attention(q, k, v, scale=1.0)])
    assert "f64" in lowering_error(double, GOOD, UnsupportedError)


def test_schedules_that_are_not_legal() -> None:
    message = lowering_error(plain(2, 2, 16), GOOD.replace("rows = 8", "rows = 20"), VerifyError)
    assert "registers" in message and "tw-select-schedule" in message
    assert "whole tiles" in lowering_error(plain(2, 2, 16), GOOD.replace("256", "100"), VerifyError)


def test_gpus_are_not_covered() -> None:
    with tw_context():
        module = ir.Module.parse(plain(2, 2, 16).level2())
        (op, *_) = [o for o in module.body.operations[0].operation.regions[0].blocks[0].operations if tw.is_op(o, "attention")]
        assert "not a CPU" in (attention_template_supports(op, find("cuda:sm_90")) or "")
