"""Reductions over every choice of dimensions: across rows with independent lanes, along rows, and both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loop_kernels import TARGETS, check

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw

RNG = np.random.default_rng(0)
KINDS: dict[str, Callable[..., Any]] = {"add": np.sum, "max": np.max, "min": np.min, "mul": np.prod}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [(2,), (1,), (0,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_reduce_any_dimensions(dims: tuple[int, ...], kind: str, target: str) -> None:
    x = RNG.standard_normal((5, 33, 70), dtype=np.float32)
    if kind == "mul":
        x = 1 + x * np.float32(0.01)
    expected = np.asarray(KINDS[kind](x.astype(np.float64), axis=dims))
    check([(("d0", "d1", "d2"), "f32")], lambda x: tw.build("reduce", x, dims=dims, kind=kind), [x], expected, target, tolerance=1e-5)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1), (1, 70), (70, 1), (200, 3)])
def test_reduce_of_empty_and_single(shape: tuple[int, int], target: str) -> None:
    x = RNG.standard_normal(shape, dtype=np.float32)

    def body(x: ir.Value) -> list[ir.Value]:
        return [tw.build("reduce", x, dims=[d], kind="add", keep_dims=True) for d in (0, 1)]

    check([(("d0", "d1"), "f32")], body, [x], [x.sum(0, keepdims=True), x.sum(1, keepdims=True)], target, tolerance=1e-5)


def mean_pool(x: ir.Value, mask: ir.Value) -> ir.Value:
    column = tw.build("reshape", mask, shape=[*tw.tensor_info(mask).shape, 1])
    total = tw.build("reduce", tw.pointwise([x, column], lambda a, b: arith.mulf(a, b)), dims=[1], kind="add")
    count = tw.build("reduce", mask, dims=[1], kind="add", keep_dims=True)
    return tw.pointwise([total, count], lambda a, b: arith.divf(a, b))


@pytest.mark.parametrize("target", [*TARGETS, "cpu:neoverse-n1"])
@pytest.mark.parametrize(("length", "width"), [(77, 384), (200, 45)])
def test_masked_mean_over_the_sequence(length: int, width: int, target: str) -> None:
    x = RNG.standard_normal((3, length, width), dtype=np.float32)
    mask = (RNG.random((3, length)) > 0.3).astype(np.float32)
    expected = (x.astype(np.float64) * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    for last in (width, "d2"):
        kernel = check([(("d0", "d1", last), "f32"), (("d0", "d1"), "f32")], mean_pool, [x, mask], expected, target)
        assert kernel.slow_path is None


@pytest.mark.parametrize("target", TARGETS)
def test_softmax_across_rows(target: str) -> None:
    x = RNG.standard_normal((3, 19, 77), dtype=np.float32)
    e = np.exp(x.astype(np.float64))
    kernel = check([(("d0", "d1", "d2"), "f32")], lambda x: tw.build("softmax", x, dim=1), [x], e / e.sum(1, keepdims=True), target)
    assert kernel.slow_path is None


@pytest.mark.parametrize("target", TARGETS)
def test_long_column_sums_keep_their_precision(target: str) -> None:
    x = RNG.random((20000, 20), dtype=np.float32)
    exact = x.astype(np.float64).sum(0)
    check([(("d0", "d1"), "f32")], lambda x: tw.build("reduce", x, dims=[0], kind="add"), [x], exact, target, tolerance=6e-7)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["f32", "f16", "i32", "i64", "i8"])
def test_argmax_takes_the_first_and_counts_nan_as_largest(target: str, dtype: str) -> None:
    x = (RNG.standard_normal((6, 177), dtype=np.float32) * 20).astype(tw.numpy_dtype(dtype))
    x[1, 3] = x[1, 9] = 100
    x[3] = x[3, 0]
    if dtype.startswith("f"):
        x[2, 5] = x[2, 60] = np.nan
        x[4] = -np.inf
        x[5] = -np.inf
        x[5, 170] = -1e4
    for dim in (0, 1):
        kernel = check([(("d0", "d1"), dtype)], lambda x, d=dim: tw.build("argmax", x, dim=d), [x], x.argmax(dim), target)
        assert kernel.slow_path is None


@pytest.mark.parametrize("target", TARGETS)
def test_a_reduction_repeated_in_another_loop_is_right_and_named(target: str) -> None:
    x = RNG.standard_normal((3, 21, 40), dtype=np.float32)

    def body(x: ir.Value) -> ir.Value:
        return tw.build("reduce", tw.build("softmax", x, dim=2), dims=[1], kind="add")

    e = np.exp(x.astype(np.float64))
    expected = (e / e.sum(2, keepdims=True)).sum(1)
    kernel = check([(("d0", "d1", "d2"), "f32")], body, [x], expected, target)
    assert kernel.slow_path is not None and "done again in every step of another loop" in kernel.slow_path


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("transposed", [False, True])
def test_matmul_without_a_template(transposed: bool, target: str) -> None:
    a, b = RNG.standard_normal((5, 33), dtype=np.float32), RNG.standard_normal((33, 40), dtype=np.float32)
    right = np.ascontiguousarray(b.T) if transposed else b
    check(
        [(("d0", 33), "f32"), (right.shape, "f32")], lambda a, b: tw.build("matmul", a, b, transpose_rhs=transposed), [a, right],
        a.astype(np.float64) @ b, target, tolerance=1e-5, schedule={"kind": "rows", "source": "test"},
    )  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["bf16", "f16", "i8"])
def test_matmul_of_narrow_operands_without_a_template(dtype: str, transposed: bool, target: str) -> None:
    a, b = (RNG.integers(-128, 128, shape).astype(tw.numpy_dtype(dtype)) for shape in ((5, 33), (33, 40)))
    right = np.ascontiguousarray(b.T) if transposed else b
    accumulate = "i32" if dtype == "i8" else "f32"
    check(
        [(("d0", 33), dtype), (right.shape, dtype)],
        lambda a, b: tw.build("matmul", a, b, transpose_rhs=transposed, accumulate=accumulate), [a, right],
        a.astype(np.int64) @ b.astype(np.int64), target, schedule={"kind": "rows", "source": "test"},
    )  # fmt: skip
