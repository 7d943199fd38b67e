"""Tensor types with symbolic shapes."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import parse_dim, symbol
from tilewright.dialects import tw

S0, S1 = symbol("s0"), symbol("s1")


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (tw.TensorInfo((4, 6), "f32"), "tensor<4x6xf32>"),
        (tw.TensorInfo((), "i64"), "tensor<i64>"),
        (tw.TensorInfo((S0, 384), "bf16"), 'tensor<?x384xbf16, "s0, 384">'),
        (tw.TensorInfo((S0 * S1 + 1, parse_dim("max(s0, s1)")), "i1"), 'tensor<?x?xi1, "s0*s1 + 1, max(s0, s1)">'),
    ],
)
def test_types_are_printed_and_read(info: tw.TensorInfo, text: str, context: ir.Context) -> None:
    assert str(tw.tensor_type(info)) == text
    assert tw.tensor_info(ir.Type.parse(text)) == info


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tensor<?x4xf32>", "dynamic size without a name"),
        ('tensor<?xf32, "s0/2">', "an encoding that is not a shape"),
        ('tensor<?x4xf32, "s0">', "an encoding that does not fit its sizes"),
        ('tensor<?x4xf32, "s0, 5">', "an encoding that does not fit its sizes"),
        ('tensor<?xf32, "-4">', "encodes a size that is a number"),
        ('tensor<4xf32, "4">', "encodes a size that is a number"),
        ("tensor<4xcomplex<f32>>", "an element type that tw does not know"),
        ("memref<4xf32>", "expected a ranked tensor"),
        ("tensor<*xf32>", "expected a ranked tensor"),
    ],
)
def test_what_is_not_a_type_of_tw(text: str, message: str, context: ir.Context) -> None:
    with pytest.raises(VerifyError, match=message):
        tw.tensor_info(ir.Type.parse(text))


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(4, 1), (6,)], (4, 6)),
        ([(S0, 1, 8), (S1, 8)], (S0, S1, 8)),
        ([(S0,), (S0,)], (S0,)),
        ([(S0,), (S1,)], None),
        ([(S0,), (4,)], None),
        ([(0,), (1,)], (0,)),
        ([], ()),
    ],
)
def test_broadcast(shapes: list[tuple[object, ...]], expected: tuple[object, ...] | None) -> None:
    assert tw.broadcast_shapes(shapes) == expected  # type: ignore[arg-type]


def test_sizes() -> None:
    info = tw.TensorInfo((S0, 3), "f16")
    assert str(info.elements) == "3*s0" and str(info.nbytes) == "6*s0" and not info.is_static
    assert info.substitute({"s0": 4}) == tw.TensorInfo((4, 3), "f16")
    assert tw.parse_shape(tw.format_shape((S0, 3, S0 * S1))) == (S0, 3, S0 * S1)
    assert tw.parse_shape("") == ()


@pytest.mark.parametrize("dtype", [*tw.FLOATS, *tw.INTEGERS])
def test_element_types(dtype: str, context: ir.Context) -> None:
    assert str(tw.element_type(dtype)) == dtype
    assert tw.dtype_of_array(np.zeros(1, tw.numpy_dtype(dtype))) == dtype
    assert tw.BYTES[dtype] == tw.numpy_dtype(dtype).itemsize


def test_unknown_element_types(context: ir.Context) -> None:
    with pytest.raises(ValueError, match="unknown element type 'f31'; known: f16"):
        tw.element_type("f31")
    with pytest.raises(ValueError, match="complex64 is not supported"):
        tw.dtype_of_array(np.zeros(1, np.complex64))
