"""What models have between matmuls, in every element type: by vectors throughout, and right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from loop_kernels import build, run

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw

Body = Callable[..., ir.Value]
FLOATS = ("f32", "bf16", "f16")
ROWS: list[Any] = ["d0", "d1"]
RNG = np.random.default_rng(0)
TOLERANCE = {"f32": 4e-6, "bf16": 2e-2, "f16": 3e-3}


def check(
    inputs: list[tuple[list[Any], str]], body: Body, sizes: dict[str, int], exact: Callable[..., np.ndarray], tolerance: float
) -> None:
    arrays = []
    for shape, dtype in inputs:
        concrete: list[int] = [sizes[d] if isinstance(d, str) else d for d in shape]
        data = RNG.integers(0, 2 if dtype == "i1" else 6, concrete) if dtype.startswith("i") else RNG.standard_normal(concrete)
        arrays.append(data.astype(tw.numpy_dtype(dtype)))
    kernel = build("kernel", [(tuple(shape), dtype) for shape, dtype in inputs], body)
    assert kernel.slow_path is None
    assert not re.search(r"iter_args.*-> \([fi]\d+", kernel.level3), "a loop that carries scalars"
    assert "vector.load" in kernel.level3 and "vector.gather" not in kernel.level3
    (got,) = run(kernel, arrays)
    wanted = exact(*(a.astype(np.float64) if a.dtype.kind != "i" else a for a in arrays))
    assert np.abs(got.astype(np.float64) - wanted).max() <= tolerance * max(1.0, np.abs(wanted).max())


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def as_type(value: ir.Value, dtype: str) -> ir.Value:
    """An integer as a float in a pointwise region."""
    convert = arith.uitofp if ir.IntegerType(value.type).width == 1 else arith.sitofp
    return convert(tw.element_type(dtype), value)


@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_under_a_boolean_mask(dtype: str) -> None:
    def body(x: ir.Value, m: ir.Value) -> ir.Value:
        lowest = lambda a: arith.constant(a.type, -1e4)  # noqa: E731
        return tw.build("softmax", tw.pointwise([x, m], lambda a, b: arith.select(b, a, lowest(a))), dim=1)

    exact = lambda x, m: softmax(np.where(m != 0, x, -1e4))  # noqa: E731
    check([(ROWS, dtype), (ROWS, "i1")], body, {"d0": 7, "d1": 203}, exact, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", FLOATS)
def test_mean_over_a_mask_then_unit_length(dtype: str) -> None:
    """The pooling of sentence transformers; an integer mask."""

    def body(x: ir.Value, m: ir.Value) -> ir.Value:
        weights = tw.pointwise([m], lambda a: as_type(a, dtype))
        column = tw.build("reshape", weights, shape=[*tw.tensor_info(m).shape, 1])
        total = tw.build("reduce", tw.pointwise([x, column], lambda a, b: arith.mulf(a, b)), dims=[1], kind="add")
        count = tw.build("reduce", weights, dims=[1], kind="add", keep_dims=True)
        mean = tw.pointwise([total, count], lambda a, b: arith.divf(a, b))
        square = tw.build("reduce", tw.pointwise([mean], lambda a: arith.mulf(a, a)), dims=[1], kind="add", keep_dims=True)
        return tw.pointwise([mean, square], lambda a, b: arith.divf(a, math.sqrt(b)))

    def exact(x: np.ndarray, m: np.ndarray) -> np.ndarray:
        mean = (x * m[..., None]).sum(1) / m.sum(1, keepdims=True)
        return mean / np.sqrt((mean**2).sum(1, keepdims=True))

    check([([3, "d0", 96], dtype), ([3, "d0"], "i64")], body, {"d0": 21}, exact, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("axis", [1, 2])
def test_softmax_over_heads(axis: int, dtype: str) -> None:
    check(
        [(["d0", 5, "d1"], dtype)],
        lambda x: tw.build("softmax", x, dim=axis),
        {"d0": 3, "d1": 150},
        lambda x: softmax(x, axis),
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize("dtype", FLOATS)
def test_log_softmax(dtype: str) -> None:
    body = lambda x: tw.build("softmax", x, dim=1, log=True)  # noqa: E731
    check([(ROWS, dtype)], body, {"d0": 5, "d1": 301}, lambda x: np.log(softmax(x)), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [*FLOATS, "i8", "i32", "i64"])
def test_positions_of_maxima(dtype: str) -> None:
    check([(ROWS, dtype)], lambda x: tw.build("argmax", x, dim=1), {"d0": 5, "d1": 301}, lambda x: x.argmax(1), 0)


@pytest.mark.parametrize("dtype", ["i8", "i32", "i64"])
def test_sums_of_integers(dtype: str) -> None:
    check([(ROWS, dtype)], lambda x: tw.build("reduce", x, dims=[0], kind="add"), {"d0": 9, "d1": 77}, lambda x: x.sum(0), 0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_rotary_embedding_of_transposed_heads(dtype: str) -> None:
    body = lambda x, c, s: tw.build("rope", tw.build("transpose", x, permutation=[0, 2, 1, 3]), c, s)  # noqa: E731

    def exact(x: np.ndarray, c: np.ndarray, s: np.ndarray) -> np.ndarray:
        x = x.transpose(0, 2, 1, 3)
        return x * c + np.concatenate([-x[..., 16:], x[..., :16]], -1) * s

    check([([2, "d0", 3, 32], dtype), (["d0", 32], dtype), (["d0", 32], dtype)], body, {"d0": 11}, exact, TOLERANCE[dtype])
