"""The attention template on bf16 and f16: products on tiles, on pairs, and of widened copies, each where this machine runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aarch64_runner
import ml_dtypes
import numpy as np
import pytest
from level3_runner import compile_level3
from template_kernels import TemplateKernel, info, normal

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.runtime.tile_permission import refusal
from tilewright.targets import find, host_target
from tilewright.targets.detect import read_host

NUMPY: dict[str, Any] = {"bf16": ml_dtypes.bfloat16, "f16": np.float16, "f32": np.float32, "i1": np.bool_}
TOLERANCE = {"bf16": 8e-3, "f16": 1e-3}
SLOTS = ("mask", "kv_len", "q_offset", "sinks")

FORMS = [("cpu:sapphirerapids", "bf16", "tdpbf16ps"), ("cpu:znver4", "bf16", "vdpbf16ps"), ("cpu:x86-64-v3", "bf16", "vfmadd"),
         ("cpu:x86-64-v4", "f16", "vfmadd"), ("cpu:x86-64-v3", "f16", "vfmadd")]  # fmt: skip
"""Target, element type, and the instruction that multiplies."""
forms = pytest.mark.parametrize(("name", "dtype", "instruction"), FORMS, ids=[f"{n[4:]}-{d}" for n, d, _ in FORMS])
paired = pytest.mark.parametrize(("name", "dtype"), [(n, d) for n, d, _ in FORMS[:2]], ids=[n[4:] for n, _, _ in FORMS[:2]])


def runnable(name: str) -> Any:
    """The target, if this machine runs its code."""
    target = find(name)
    if host_target().arch != target.arch:
        pytest.skip(f"{name} code does not run here")
    missing = set(target.requires) - read_host().flags
    if missing:
        pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
    if target.has("amx-tile") and refusal() is not None:
        pytest.skip(str(refusal()))
    return target


def kernel(
    heads: int,
    kv_heads: int,
    size: int,
    dtype: str,
    value_size: int | None = None,
    extra: dict[str, tuple[str, str]] | None = None,
    **attributes: Any,
) -> TemplateKernel:
    """`[d0, heads, d1, size]` queries over d2 keys; `extra` are optional operands by name, with shape and dtype."""
    given = [name for name in SLOTS if name in (extra or {})]
    shapes = [f"d0, {heads}, d1, {size}", f"d0, {kv_heads}, d2, {size}", f"d0, {kv_heads}, d2, {value_size or size}"]

    def body(q: ir.Value, k: ir.Value, v: ir.Value, *rest: ir.Value) -> list[ir.Value]:
        operands = dict(zip(given, rest))
        return list(tw.build_many("attention", q, k, v, *(operands.get(s) for s in SLOTS), **{"scale": size**-0.5, **attributes}))

    return TemplateKernel([*(info(s, dtype) for s in shapes), *(info(*(extra or {})[name]) for name in given)], body)


def qkv(dtype: str, batch: int, heads: int, kv_heads: int, queries: int, keys: int, size: int, value_size: int | None = None) -> list[Any]:
    shapes = [(heads, queries, size), (kv_heads, keys, size), (kv_heads, keys, value_size or size)]
    return [normal(batch, *shape, seed=seed).astype(NUMPY[dtype]) for seed, shape in enumerate(shapes)]


def check(made: TemplateKernel, arrays: Sequence[np.ndarray], target: Any, dtype: str, lowered: Any = None) -> None:
    """Results have the type of q, and are those of the reference but for the roundings of probabilities and results."""
    for actual, expected in zip(made.run(arrays, target, lowered=lowered), made.reference(arrays), strict=True):
        assert actual.dtype == expected.dtype
        close(actual, expected, dtype)


def close(actual: np.ndarray, expected: np.ndarray, dtype: str) -> None:
    actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    if finite.any():
        np.testing.assert_allclose(
            actual[finite], expected[finite], rtol=0, atol=TOLERANCE[dtype] * max(1.0, np.abs(expected[finite]).max())
        )


LENGTHS = [(1, 1), (1, 9), (5, 7), (16, 32), (33, 31), (40, 300), (7, 513), (100, 64), (70, 270), (0, 5), (5, 0)]


@forms
def test_one_kernel_for_all_lengths(name: str, dtype: str, instruction: str) -> None:
    target = runnable(name)
    made = kernel(4, 2, 64, dtype, causal=True)
    lowered = made.lower(target)
    assert any(opcode.startswith(instruction) for opcode in compile_level3(lowered[0], target).instruction_mix)
    for queries, keys in LENGTHS:
        check(made, qkv(dtype, 2, 4, 2, queries, keys, 64), target, dtype, lowered)


@pytest.mark.parametrize(("size", "value_size"), [(1, 1), (20, 13), (32, 17), (80, 48), (33, 128)])
@paired
def test_head_sizes(name: str, dtype: str, size: int, value_size: int) -> None:
    target = runnable(name)
    made = kernel(2, 2, size, dtype, value_size)
    lowered = made.lower(target)
    for keys in (37, 128, 161):
        check(made, qkv(dtype, 1, 2, 2, 19, keys, size, value_size), target, dtype, lowered)


@pytest.mark.parametrize(("heads", "kv_heads"), [(6, 2), (8, 1)])
@paired
def test_grouped_heads(name: str, dtype: str, heads: int, kv_heads: int) -> None:
    target = runnable(name)
    made = kernel(heads, kv_heads, 24, dtype)
    lowered = made.lower(target)
    for queries, keys in ((1, 40), (3, 17), (21, 150)):
        check(made, qkv(dtype, 2, heads, kv_heads, queries, keys, 24), target, dtype, lowered)


@pytest.mark.parametrize(("mask", "held"), [("d0, 1, 1, d2", "i1"), ("d0, 4, d1, d2", "bf16"), ("d1, d2", "f32")])
@paired
def test_masks(name: str, dtype: str, mask: str, held: str) -> None:
    target = runnable(name)
    made = kernel(4, 2, 32, dtype, extra={"mask": (mask, held)})
    lowered = made.lower(target)
    for queries, keys in ((5, 21), (37, 300)):
        sizes = {"d0": 2, "d1": queries, "d2": keys}
        shape = [sizes.get(d.strip()) or int(d) for d in mask.split(",")]
        values = np.random.default_rng(0).random(shape) < 0.6 if held == "i1" else normal(*shape, seed=7).astype(NUMPY[held])
        check(made, [*qkv(dtype, 2, 4, 2, queries, keys, 32), values], target, dtype, lowered)


VARIANTS: list[dict[str, Any]] = [
    {"window": 40, "causal": True},
    {"softcap": 2.0},
    {"logsumexp": True, "causal": True},
    {"scale": -0.5},
    {"scale": 3.0, "window": 5},
]


@pytest.mark.parametrize("attributes", VARIANTS, ids=str)
@paired
def test_variants(name: str, dtype: str, attributes: dict[str, Any]) -> None:
    target = runnable(name)
    made = kernel(4, 2, 32, dtype, **attributes)
    lowered = made.lower(target)
    for queries, keys in ((33, 31), (70, 270)):
        arrays = qkv(dtype, 2, 4, 2, queries, keys, 32)
        results, expected = made.run(arrays, target, lowered=lowered), made.reference(arrays)
        close(results[0], expected[0], dtype)
        if "logsumexp" in attributes:
            seen = np.isfinite(expected[1])
            np.testing.assert_array_equal(results[1][~seen], expected[1][~seen])
            np.testing.assert_allclose(results[1][seen], expected[1][seen], rtol=0, atol=4e-3)


@paired
def test_score_regions(name: str, dtype: str) -> None:
    """A bias that grows with the distance, over pairs of bf16."""
    target = runnable(name)
    f32 = ir.F32Type

    def bias(score: ir.Value, *places: ir.Value) -> ir.Value:
        distance = arith.sitofp(f32.get(), arith.subi(places[3], places[2]))
        return arith.addf(score, arith.mulf(distance, arith.constant(f32.get(), 0.05)))

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        region = tw.score_region([], bias)
        return list(tw.build_many("attention", q, k, v, *[None] * 7, [], scale=0.2, region=region))

    shapes = [info("d0, 2, d1, 32", dtype), *[info("d0, 2, d2, 32", dtype)] * 2]
    made = TemplateKernel(shapes, body)
    check(made, qkv(dtype, 1, 2, 2, 40, 300, 32), target, dtype)


@paired
def test_nothing_behind_the_length_leaks(name: str, dtype: str) -> None:
    """Not a number in V and K behind the keys that count; lengths that end within a group, and none."""
    target = runnable(name)
    made = kernel(2, 2, 32, dtype, extra={"kv_len": ("d0", "i64")})
    q, k, v = qkv(dtype, 4, 2, 2, 40, 300, 32)
    lengths = np.array([290, 7, 0, 256])
    for batch, length in enumerate(lengths):
        k[batch, :, length:] = np.nan
        v[batch, :, length:] = np.nan
    (actual,) = made.run([q, k, v, lengths], target)
    assert np.isfinite(actual.astype(np.float32)).all() and (actual[2] == 0).all()
    close(actual, made.reference([q, np.nan_to_num(k), np.nan_to_num(v), lengths])[0], dtype)


@paired
def test_rows_that_see_nothing_are_zero(name: str, dtype: str) -> None:
    target = runnable(name)
    (actual,) = kernel(2, 2, 32, dtype, causal=True).run(qkv(dtype, 1, 2, 2, 70, 10, 32), target)
    assert (actual[:, :, :60] == 0).all() and (actual[:, :, 60:] != 0).all()


@paired
def test_nan_stays_in_its_row(name: str, dtype: str) -> None:
    target = runnable(name)
    q, k, v = qkv(dtype, 1, 2, 2, 20, 30, 32)
    q[0, 1, 3, 2] = np.nan
    (actual,) = kernel(2, 2, 32, dtype).run([q, k, v], target)
    actual = actual.astype(np.float32)
    assert np.isnan(actual[0, 1, 3]).all() and np.isnan(actual).sum() == 32


@paired
def test_scores_that_rise_and_fall_far(name: str, dtype: str) -> None:
    """Maxima that rise by less and by more than what is not followed, in blocks of their own."""
    target = runnable(name)
    q, k, v = qkv(dtype, 1, 2, 2, 40, 900, 32)
    growth = np.repeat([1, 1.2, 3, 0.1, 8, 60, 1, 70, 2], 100)[None, None, :, None]
    check(kernel(2, 2, 32, dtype), [q, (k.astype(np.float32) * growth).astype(NUMPY[dtype]), v], target, dtype)


@pytest.mark.parametrize("transposed", [False, True])
@forms
def test_operands_by_strides(name: str, dtype: str, instruction: str, transposed: bool) -> None:
    """q, k, v as [B, S, H*D], viewed head by head, the result as [B, S, H*D]; or with the rows of a head as columns."""
    target = runnable(name)

    def heads(x: ir.Value) -> ir.Value:
        shape, order = ("d0, d1, 3, 32", (0, 2, 1, 3)) if not transposed else ("d0, 3, 32, d1", (0, 1, 3, 2))
        return tw.build("transpose", tw.build("reshape", x, shape=tw.parse_shape(shape)), permutation=order)

    def body(q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        out = tw.build("attention", heads(q), heads(k), heads(v), *[None] * 4, scale=0.2)
        return [tw.build("transpose", out, permutation=(0, 1, 3, 2) if transposed else (0, 2, 1, 3))]

    made = TemplateKernel([info("d0, 96, d1" if transposed else "d0, d1, 96", dtype)] * 3, body)
    shape = (2, 96, 75) if transposed else (2, 75, 96)
    check(made, [normal(*shape, seed=seed).astype(NUMPY[dtype]) for seed in range(3)], target, dtype)


@forms
def test_splits_do_not_change_bits(name: str, dtype: str, instruction: str) -> None:
    target = runnable(name)
    made = kernel(4, 2, 32, dtype, causal=True)
    lowered, arrays = made.lower(target), qkv(dtype, 2, 4, 2, 100, 300, 32)
    (whole,), (parts,) = made.run(arrays, target, lowered=lowered), made.run(arrays, target, splits=(0.2, 0.45, 0.8), lowered=lowered)
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize(("keys", "size"), [(512, 64), (997, 128)])
@paired
def test_errors_are_no_larger_than_those_of_torch(name: str, dtype: str, keys: int, size: int) -> None:
    torch = pytest.importorskip("torch")
    target = runnable(name)
    arrays = qkv(dtype, 1, 4, 4, 256, keys, size)
    (actual,) = kernel(4, 4, size, dtype).run(arrays, target)
    wide = [torch.from_numpy(a.astype(np.float64)) for a in arrays]
    attend = torch.nn.functional.scaled_dot_product_attention
    exact = attend(*wide).numpy()
    peer = attend(*(w.to(torch.bfloat16) for w in wide)).double().numpy()
    ours, theirs = (np.sqrt(((result.astype(np.float64) - exact) ** 2).mean()) for result in (actual, peer))
    # Both round probabilities and results once; which values fall between which bf16 differs.
    assert ours < 1.01 * theirs


def test_blocks_are_made_of_whole_groups() -> None:
    made = kernel(2, 2, 32, "bf16")
    made.overrides = {"block": 40}
    with pytest.raises(VerifyError, match="whole groups"):
        made.lower(find("cpu:sapphirerapids"))


@pytest.mark.skipif(aarch64_runner.missing() is not None, reason=str(aarch64_runner.missing()))
@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_aarch64_widens(dtype: str) -> None:
    target = find("cpu:aarch64")
    check(kernel(2, 1, 20, dtype, causal=True), qkv(dtype, 1, 2, 1, 21, 35, 20), target, dtype)
