"""Building ops from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import arith, func, ir
from tilewright.dialects import tw
from tilewright.dialects.tw.interpreter import run


@pytest.fixture
def block(context: ir.Context) -> Iterator[ir.Block]:
    """The body of a function of two `tensor<4x8xf32>`, as the insertion point."""
    module = ir.Module.create()
    tensor = tw.tensor_type(tw.TensorInfo((4, 8), "f32"))
    with ir.InsertionPoint(module.body):
        function = func.FuncOp("main", ([tensor, tensor], []))
    entry = function.add_entry_block()
    with ir.InsertionPoint(entry):
        yield entry


def test_operands_and_attributes(block: ir.Block) -> None:
    x, y = block.arguments
    result = tw.build("matmul", x, y, transpose_rhs=True)
    assert tw.tensor_info(result) == tw.TensorInfo((4, 4), "f32")
    assert tw.get(result.owner, "transpose_rhs") is True and tw.get(result.owner, "transpose_lhs") is False
    tw.verify_op(result.owner)


def test_optional_operands(block: ir.Block) -> None:
    bias = tw.weight("b", tw.TensorInfo((8,), "f32"))
    op = tw.build("layer_norm", block.arguments[0], None, bias, eps=1e-5).owner
    groups = tw.operand_groups(op)
    assert groups["weight"] is None and groups["bias"] == bias
    tw.verify_op(op)


def test_attributes_equal_to_their_default_are_not_written(block: ir.Block) -> None:
    assert "keep_dims" not in tw.build("reduce", block.arguments[0], dims=[1], kind="add", keep_dims=False).owner.attributes


def test_several_results(block: ir.Block) -> None:
    both = tw.pointwise(list(block.arguments), lambda a, b: [arith.addf(a, b), arith.cmpf(arith.CmpFPredicate.OLT, a, b)])
    assert [tw.tensor_info(v).dtype for v in both] == ["f32", "i1"]


def test_a_fill_has_no_operands(block: ir.Block) -> None:
    one = tw.pointwise([], lambda: arith.constant(ir.F32Type.get(), 1.0), shape=(2, 3))
    assert tw.tensor_info(one) == tw.TensorInfo((2, 3), "f32")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: tw.build("matmull", x, y), "unknown op 'tw.matmull'"),
        (lambda x, y: tw.build("matmul", x, y, transpose_rsh=True), "no attribute 'transpose_rsh'(.|\n)*did you mean 'transpose_rhs'"),
        (lambda x, y: tw.build("matmul", x), "tw.matmul needs the operand 'rhs'"),
        (lambda x, y: tw.build("matmul", x, y, y), "tw.matmul takes 2 operands, got 3"),
        (lambda x, y: tw.build("softmax", x), "tw.softmax needs the attribute 'dim'"),
        (lambda x, y: tw.build("matmul", x, y), r"\[M3\] the contracted sizes are equal"),
        (
            lambda x, y: tw.pointwise([x, tw.constant(np.zeros(3, np.float32))], lambda a, b: a),
            r"\[P1\] operands of tw.pointwise do not broadcast",
        ),
    ],
)
def test_errors(make: Callable[[ir.Value, ir.Value], object], message: str, block: ir.Block) -> None:
    with pytest.raises(VerifyError, match=message):
        make(*block.arguments)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, -2.0], np.float32),
        np.array([[1, 2], [3, 4]], np.int8),
        np.array([True, False, True, True, False, False, True, False, True]),
        np.array(True),
        np.array(np.nan, np.float64),
        np.full((3, 3), -0.0, np.float32),
        np.array([1, 2, 3], np.float16),
        np.zeros((2, 0), np.float32),
        np.array([[1.0, 2.5], [np.inf, np.nan]]).astype(tw.numpy_dtype("bf16")),
        np.arange(600).astype(tw.numpy_dtype("bf16")),
    ],
    ids=lambda a: f"{a.dtype}{list(a.shape)}",
)
def test_constants_keep_their_bits(array: np.ndarray, context: ir.Context) -> None:
    module = ir.Module.create()
    info = tw.TensorInfo(tuple(array.shape), tw.dtype_of_array(array))
    with ir.InsertionPoint(module.body):
        function = func.FuncOp("main", ([], [tw.tensor_type(info)]))
    with ir.InsertionPoint(function.add_entry_block()):
        func.ReturnOp([tw.constant(array)])
    (result,) = run(ir.Module.parse(str(module)), [])
    assert result.dtype == array.dtype and result.tobytes() == array.tobytes()
