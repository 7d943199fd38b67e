"""References of the ops that move elements, against NumPy written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tilewright.core.mlir import ir
from tilewright.dialects.tw.interpreter import run

Evaluate = Callable[..., list[np.ndarray]]


@pytest.fixture
def matrix() -> np.ndarray:
    return np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ('"tw.reshape"(%x) {shape = "2, 12"} : (tensor<4x6xf32>) -> tensor<2x12xf32>', lambda x: x.reshape(2, 12)),
        ('"tw.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>', lambda x: x.T),
        ('"tw.broadcast"(%x) {shape = "2, 4, 6"} : (tensor<4x6xf32>) -> tensor<2x4x6xf32>', lambda x: np.stack([x, x])),
        (
            '"tw.slice"(%x) {starts = "1, 0", sizes = "2, 3", steps = array<i64: 2, 2>} : (tensor<4x6xf32>) -> tensor<2x3xf32>',
            lambda x: x[1::2, ::2],
        ),
        (
            '"tw.slice"(%x) {starts = "4, 0", sizes = "0, 6", steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<0x6xf32>',
            lambda x: x[4:],
        ),
        (
            '"tw.pad"(%x) {low = "1, 0", high = "0, 2", value = 5.0 : f64} : (tensor<4x6xf32>) -> tensor<5x8xf32>',
            lambda x: np.block([[np.full((1, 6), 5), np.full((1, 2), 5)], [x, np.full((4, 2), 5)]]),
        ),
        ('"tw.reverse"(%x) {dims = array<i64: 1>} : (tensor<4x6xf32>) -> tensor<4x6xf32>', lambda x: x[:, ::-1]),
    ],
)
def test_one_input(op: str, expected: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray, evaluate: Evaluate) -> None:
    (result,) = evaluate(f"%y = {op}", [matrix])
    np.testing.assert_array_equal(result, expected(matrix))
    assert result.dtype == matrix.dtype


def test_a_broadcast_does_not_alias_its_input(matrix: np.ndarray, evaluate: Evaluate) -> None:
    (result,) = evaluate('%y = "tw.broadcast"(%x) {shape = "4, 6"} : (tensor<4x6xf32>) -> tensor<4x6xf32>', [matrix])
    result[:] = 0
    assert matrix.any()


def test_concat(matrix: np.ndarray, evaluate: Evaluate) -> None:
    op = '%y = "tw.concat"(%a, %b) {dim = 1 : i64} : (tensor<4x6xf32>, tensor<4x?xf32, "4, s0">) -> tensor<4x?xf32, "4, s0 + 6">'
    (result,) = evaluate(op, [matrix, -matrix[:, :2]])
    np.testing.assert_array_equal(result, np.hstack([matrix, -matrix[:, :2]]))


def test_a_slice_may_be_symbolic(matrix: np.ndarray, evaluate: Evaluate) -> None:
    op = (
        '%y = "tw.slice"(%x) {starts = "s0 - 1, 0", sizes = "1, 6", steps = array<i64: 1, 1>} : '
        '(tensor<?x6xf32, "s0, 6">) -> tensor<1x6xf32>'
    )
    np.testing.assert_array_equal(evaluate(op, [matrix])[0], matrix[-1:])


def test_gather_one_axis(matrix: np.ndarray, evaluate: Evaluate) -> None:
    index = np.array([[3, 0], [1, 1]])
    op = '%y = "tw.gather"(%x, %i) {axes = array<i64: 0>} : (tensor<4x6xf32>, tensor<2x2xi64>) -> tensor<2x2x6xf32>'
    expected = np.stack([np.stack([matrix[i] for i in row]) for row in index])
    np.testing.assert_array_equal(evaluate(op, [matrix, index])[0], expected)


def test_gather_two_axes(matrix: np.ndarray, evaluate: Evaluate) -> None:
    rows, columns = np.array([[0], [3]], np.int32), np.array([5, 1, 1], np.int32)
    op = '%y = "tw.gather"(%x, %i, %j) {axes = array<i64: 0, 1>} : (tensor<4x6xf32>, tensor<2x1xi32>, tensor<3xi32>) -> tensor<2x3xf32>'
    np.testing.assert_array_equal(evaluate(op, [matrix, rows, columns])[0], [[5, 1, 1], [23, 19, 19]])


@pytest.mark.parametrize("index", [-1, 4])
def test_gather_outside(index: int, matrix: np.ndarray, evaluate: Evaluate) -> None:
    op = '%y = "tw.gather"(%x, %i) {axes = array<i64: 0>} : (tensor<4x6xf32>, tensor<1xi64>) -> tensor<1x6xf32>'
    with pytest.raises(IndexError, match="outside axis 0 of size 4"):
        evaluate(op, [matrix, np.array([index])])


def test_scatter_set(matrix: np.ndarray, evaluate: Evaluate) -> None:
    op = '%y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>} : (tensor<4x6xf32>, tensor<2x6xf32>, tensor<2xi64>) -> tensor<4x6xf32>'
    (result,) = evaluate(op, [matrix, np.full((2, 6), -1, np.float32), np.array([2, 0])])
    np.testing.assert_array_equal(result, np.where(np.array([[1], [0], [1], [0]]), -1, matrix))


def test_scatter_add_sums_what_hits_one_element(matrix: np.ndarray, evaluate: Evaluate) -> None:
    types = "(tensor<4x6xf32>, tensor<f32>, tensor<3xi64>) -> tensor<4x6xf32>"
    op = f'%y = "tw.scatter"(%x, %u, %i) {{axes = array<i64: 1>, kind = "add"}} : {types}'
    (result,) = evaluate(op, [matrix, np.float32(10), np.array([1, 1, 5])])
    np.testing.assert_array_equal(result - matrix, np.tile(np.array([0, 20, 0, 0, 0, 10], np.float32), (4, 1)))


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ('"tw.iota"() {shape = "3"} : () -> tensor<3xi64>', [0, 1, 2]),
        ('"tw.iota"() {shape = "2, 3", dim = 1 : i64, dtype = i32} : () -> tensor<2x3xi32>', [[0, 1, 2], [0, 1, 2]]),
        ('"tw.iota"() {shape = "2, 3", dtype = i8} : () -> tensor<2x3xi8>', [[0, 0, 0], [1, 1, 1]]),
        ('"tw.constant"() {value = dense<[[1.5, 2.0]]> : tensor<1x2xf32>} : () -> tensor<1x2xf32>', [[1.5, 2.0]]),
        ('"tw.constant"() {value = dense<[true, false, true]> : tensor<3xi1>} : () -> tensor<3xi1>', [True, False, True]),
        ('"tw.constant"() {value = dense<7> : tensor<2x2xi64>} : () -> tensor<2x2xi64>', [[7, 7], [7, 7]]),
    ],
)
def test_values_from_nowhere(op: str, expected: object, evaluate: Evaluate) -> None:
    np.testing.assert_array_equal(evaluate(f"%y = {op}", [])[0], np.asarray(expected))


def test_dim(parse: Callable[[str], ir.Module]) -> None:
    module = parse("""
      func.func @main(%x: tensor<?x?xf32, "s0, s1">) -> tensor<i64>
          attributes {tw.symbols = {s0 = array<i64: 1, 9>, s1 = array<i64: 1, 9>}} {
        %n = "tw.dim"() {expr = "s0*s1 + 1"} : () -> tensor<i64>
        return %n : tensor<i64>
      }""")
    (result,) = run(module, [np.zeros((2, 3), np.float32)])
    assert result == 7 and result.dtype == np.int64


def test_weight_comes_from_outside(evaluate: Evaluate) -> None:
    value = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(evaluate('%w = "tw.weight"() {name = "w"} : () -> tensor<2x3xf32>', [], {"w": value})[0], value)


def test_state_update(evaluate: Evaluate) -> None:
    state, part = np.zeros((2, 5), np.float32), np.ones((2, 2), np.float32)
    op = '%n = "tw.state_update"(%s, %v, %p) {dim = 1 : i64} : (tensor<2x5xf32>, tensor<2x2xf32>, tensor<i64>) -> tensor<2x5xf32>'
    (result,) = evaluate(op, [state, part, np.int64(3)])
    np.testing.assert_array_equal(result, [[0, 0, 0, 1, 1]] * 2)
    assert not state.any()


def test_state_read(evaluate: Evaluate) -> None:
    state = np.arange(4, dtype=np.float32)
    (result,) = evaluate('%c = "tw.state_read"() {name = "c"} : () -> tensor<4xf32>', [], {"c": state})
    np.testing.assert_array_equal(result, state)
