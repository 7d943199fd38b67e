"""References of the ops that compute, against loops and formulas written out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tilewright.dialects.tw import numpy_dtype

Evaluate = Callable[..., list[np.ndarray]]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("transpose_lhs", [False, True])
@pytest.mark.parametrize("transpose_rhs", [False, True])
def test_matmul(transpose_lhs: bool, transpose_rhs: bool, rng: np.random.Generator, evaluate: Evaluate) -> None:
    lhs, rhs = normal(rng, 3, 1, 4, 5), normal(rng, 2, 5, 6)
    expected = np.einsum("bxmk,ykn->bymn", lhs.astype(np.float64), rhs.astype(np.float64))
    lhs = lhs.swapaxes(-1, -2) if transpose_lhs else lhs
    rhs = rhs.swapaxes(-1, -2) if transpose_rhs else rhs
    types = [f"tensor<{'x'.join(map(str, a.shape))}xf32>" for a in (lhs, rhs)]
    attributes = f"{{transpose_lhs = {str(transpose_lhs).lower()}, transpose_rhs = {str(transpose_rhs).lower()}}}"
    (result,) = evaluate(f'%y = "tw.matmul"(%a, %b) {attributes} : ({types[0]}, {types[1]}) -> tensor<3x2x4x6xf32>', [lhs, rhs])
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def test_matmul_accumulates_wider_than_f16(evaluate: Evaluate) -> None:
    # In f16, 2048 + 1 is 2048.
    lhs = np.array([[2048, *[1] * 64]], np.float16)
    op = '%y = "tw.matmul"(%a, %b) : (tensor<1x65xf16>, tensor<65x1xf16>) -> tensor<1x1xf16>'
    assert evaluate(op, [lhs, np.ones((65, 1), np.float16)])[0].item() == 2112


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_matmul_returns_sums_of_narrow_floats_unrounded(dtype: str, rng: np.random.Generator, evaluate: Evaluate) -> None:
    lhs, rhs = (normal(rng, 5, 64).astype(numpy_dtype(dtype)) for _ in range(2))
    op = f'%y = "tw.matmul"(%a, %b) {{transpose_rhs = true, accumulate = f32}} : (tensor<5x64x{dtype}>, tensor<5x64x{dtype}>)'
    (result,) = evaluate(f"{op} -> tensor<5x5xf32>", [lhs, rhs])
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, (lhs.astype(np.float64) @ rhs.astype(np.float64).T).astype(np.float32))


def test_matmul_sums_bytes_exactly(evaluate: Evaluate) -> None:
    lhs, rhs = np.full((1, 300), -128, np.int8), np.full((300, 2), -128, np.int8)
    rhs[:, 1] = 127
    op = '%y = "tw.matmul"(%a, %b) {accumulate = i32} : (tensor<1x300xi8>, tensor<300x2xi8>) -> tensor<1x2xi32>'
    (result,) = evaluate(op, [lhs, rhs])
    assert result.dtype == np.int32 and result.tolist() == [[300 * 128 * 128, -300 * 128 * 127]]


def test_grouped_matmul(rng: np.random.Generator, evaluate: Evaluate) -> None:
    lhs, rhs = normal(rng, 6, 4), normal(rng, 3, 4, 2)
    op = '%y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<6x4xf32>, tensor<3x4x2xf32>, tensor<3xi32>) -> tensor<6x2xf32>'
    (result,) = evaluate(op, [lhs, rhs, np.array([2, 2, 5], np.int32)])
    expected = np.concatenate([lhs[:2] @ rhs[0], lhs[2:5] @ rhs[2], np.zeros((1, 2), np.float32)])
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transposed", [False, True])
def test_unpack(transposed: bool, evaluate: Evaluate) -> None:
    panels = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    result_type = "tensor<7x3xf32>" if transposed else "tensor<3x7xf32>"
    op = f'%w = "tw.unpack"(%p) {{columns = 7 : i64, transposed = {str(transposed).lower()}}} : (tensor<2x3x4xf32>) -> {result_type}'
    expected = np.array([[panels[n // 4, k, n % 4] for n in range(7)] for k in range(3)])
    np.testing.assert_array_equal(evaluate(op, [panels])[0], expected.T if transposed else expected)


def test_unpack_of_groups_drops_padding(evaluate: Evaluate) -> None:
    panels = np.arange(2 * 2 * 4 * 2, dtype=np.int8).reshape(2, 2, 4, 2)
    op = '%w = "tw.unpack"(%p) {columns = 7 : i64, rows = 3 : i64} : (tensor<2x2x4x2xi8>) -> tensor<3x7xi8>'
    expected = np.array([[panels[n // 4, k // 2, n % 4, k % 2] for n in range(7)] for k in range(3)])
    np.testing.assert_array_equal(evaluate(op, [panels])[0], expected)


@pytest.mark.parametrize(("kind", "function"), [("add", np.sum), ("mul", np.prod), ("max", np.max), ("min", np.min)])
def test_reduce(kind: str, function: Callable[..., np.ndarray], rng: np.random.Generator, evaluate: Evaluate) -> None:
    x = normal(rng, 3, 4, 5)
    op = f'%y = "tw.reduce"(%x) {{dims = array<i64: 0, 2>, kind = "{kind}", keep_dims = true}} : (tensor<3x4x5xf32>) -> tensor<1x4x1xf32>'
    np.testing.assert_allclose(evaluate(op, [x])[0], function(x.astype(np.float64), axis=(0, 2), keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(("kind", "expected"), [("and", [False, True]), ("or", [True, True])])
def test_reduce_of_truth_values(kind: str, expected: list[bool], evaluate: Evaluate) -> None:
    x = np.array([[True, True], [False, True]])
    op = f'%y = "tw.reduce"(%x) {{dims = array<i64: 0>, kind = "{kind}"}} : (tensor<2x2xi1>) -> tensor<2xi1>'
    np.testing.assert_array_equal(evaluate(op, [x])[0], expected)


@pytest.mark.parametrize(("kind", "expected"), [("add", 0), ("mul", 1), ("max", -math.inf), ("min", math.inf)])
def test_reduce_of_nothing(kind: str, expected: float, evaluate: Evaluate) -> None:
    op = f'%y = "tw.reduce"(%x) {{dims = array<i64: 1>, kind = "{kind}"}} : (tensor<2x0xf32>) -> tensor<2xf32>'
    np.testing.assert_array_equal(evaluate(op, [np.zeros((2, 0), np.float32)])[0], np.full(2, expected, np.float32))


@pytest.mark.parametrize("kind", ["max", "min"])
def test_reduce_propagates_nan(kind: str, evaluate: Evaluate) -> None:
    op = f'%y = "tw.reduce"(%x) {{dims = array<i64: 0>, kind = "{kind}"}} : (tensor<3xf32>) -> tensor<f32>'
    assert np.isnan(evaluate(op, [np.array([1, np.nan, 2], np.float32)])[0])


def test_argmax_takes_the_first_and_counts_nan_as_largest(evaluate: Evaluate) -> None:
    x = np.array([[1, 5, 5, 2], [1, np.nan, 9, np.nan]], np.float32)
    op = '%i = "tw.argmax"(%x) {dim = 1 : i64} : (tensor<2x4xf32>) -> tensor<2xi64>'
    np.testing.assert_array_equal(evaluate(op, [x])[0], [1, 1])


@pytest.mark.parametrize(("kind", "expected"), [("add", [[1, 3, 6], [4, 9, 15]]), ("mul", [[1, 2, 6], [4, 20, 120]])])
def test_scan(kind: str, expected: list[list[int]], evaluate: Evaluate) -> None:
    op = f'%y = "tw.scan"(%x) {{dim = 1 : i64, kind = "{kind}"}} : (tensor<2x3xi64>) -> tensor<2x3xi64>'
    np.testing.assert_array_equal(evaluate(op, [np.arange(1, 7).reshape(2, 3)])[0], expected)


@pytest.mark.parametrize("log", [False, True])
def test_softmax(log: bool, rng: np.random.Generator, evaluate: Evaluate) -> None:
    x = normal(rng, 3, 5) * 50
    logarithm = np.array([[float(v) - math.log(sum(math.exp(float(u)) for u in row)) for v in row] for row in x])
    expected = logarithm if log else np.exp(logarithm)
    op = f'%y = "tw.softmax"(%x) {{dim = 1 : i64, log = {str(log).lower()}}} : (tensor<3x5xf32>) -> tensor<3x5xf32>'
    np.testing.assert_allclose(evaluate(op, [x])[0], expected, rtol=1e-5, atol=1e-30)


def test_softmax_does_not_overflow(evaluate: Evaluate) -> None:
    op = '%y = "tw.softmax"(%x) {dim = 0 : i64} : (tensor<2xf32>) -> tensor<2xf32>'
    np.testing.assert_array_equal(evaluate(op, [np.array([3e38, 3e38], np.float32)])[0], [0.5, 0.5])


def test_layer_norm(rng: np.random.Generator, evaluate: Evaluate) -> None:
    x, weight, bias = normal(rng, 4, 2, 3), normal(rng, 2, 3), normal(rng, 2, 3)
    op = (
        '%y = "tw.layer_norm"(%x, %w, %b) {axes = 2 : i64, eps = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>} : '
        "(tensor<4x2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x2x3xf32>"
    )
    expected = np.empty_like(x)
    for i, row in enumerate(x.astype(np.float64)):
        mean = row.sum() / 6
        variance = ((row - mean) ** 2).sum() / 6
        expected[i] = (row - mean) / math.sqrt(variance + 0.5) * weight + bias
    np.testing.assert_allclose(evaluate(op, [x, weight, bias])[0], expected, rtol=1e-5, atol=1e-6)


def test_rms_norm(rng: np.random.Generator, evaluate: Evaluate) -> None:
    x, weight = normal(rng, 4, 6), normal(rng, 6)
    op = '%y = "tw.rms_norm"(%x, %w) {eps = 0.5 : f64} : (tensor<4x6xf32>, tensor<6xf32>) -> tensor<4x6xf32>'
    expected = [[v / math.sqrt(sum(float(u) ** 2 for u in row) / 6 + 0.5) * w for v, w in zip(row, weight)] for row in x]
    np.testing.assert_allclose(evaluate(op, [x, weight])[0], expected, rtol=1e-5)


def test_group_norm(rng: np.random.Generator, evaluate: Evaluate) -> None:
    x, weight, bias = normal(rng, 2, 4, 3), normal(rng, 4), normal(rng, 4)
    op = (
        '%y = "tw.group_norm"(%x, %w, %b) {groups = 2 : i64, eps = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>} : '
        "(tensor<2x4x3xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x3xf32>"
    )
    expected = np.empty_like(x)
    for n in range(2):
        for first in (0, 2):
            part = x[n, first : first + 2].astype(np.float64)
            part = (part - part.mean()) / np.sqrt(part.var() + 0.5)
            expected[n, first : first + 2] = part * weight[first : first + 2, None] + bias[first : first + 2, None]
    np.testing.assert_allclose(evaluate(op, [x, weight, bias])[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rope(interleaved: bool, rng: np.random.Generator, evaluate: Evaluate) -> None:
    x, angle = normal(rng, 2, 3, 4), normal(rng, 3, 2)
    # As complex numbers: each pair (a, b) is multiplied by e^(i angle).
    first, second = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :2], x[..., 2:])
    rotated = (first + 1j * second) * np.exp(1j * angle)
    parts = [rotated.real, rotated.imag]
    expected = np.stack(parts, -1).reshape(x.shape) if interleaved else np.concatenate(parts, -1)
    table = np.repeat(angle, 2, axis=-1) if interleaved else np.tile(angle, 2)
    op = (
        f'%y = "tw.rope"(%x, %c, %s) {{interleaved = {str(interleaved).lower()}}} : '
        "(tensor<2x3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<2x3x4xf32>"
    )
    np.testing.assert_allclose(evaluate(op, [x, np.cos(table), np.sin(table)])[0], expected, rtol=1e-5, atol=1e-6)
