"""Tensors as pointers: element types, bf16 above all."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from tilewright.runtime.dlpack import Borrowed
from tilewright.runtime.errors import CallError
from tilewright.runtime.manifest import ELEMENT_BYTES, EntryPoint, Port
from tilewright.runtime.signature import Signature
from tilewright.runtime.tensors import NUMPY, kind_of, numpy_dtype


def one_input(dtype: str) -> Signature:
    return Signature(EntryPoint("main", (Port("x", dtype, ("4",)),), (), (), None))


@pytest.mark.parametrize("dtype", [d for d in ELEMENT_BYTES if d != "bf16"])
def test_numpy_dtypes(dtype: str) -> None:
    array = np.zeros(4, numpy_dtype(dtype))
    assert array.itemsize == ELEMENT_BYTES[dtype]
    shape, name, address, owner = NUMPY.read(array)
    assert (shape, name, address) == ((4,), dtype, array.ctypes.data) and owner is array
    assert one_input(dtype).check([shape], [name]) == []


def test_new_arrays_have_the_right_type_and_address() -> None:
    tensor, address = NUMPY.maker("i64")((2, 3))
    assert tensor.shape == (2, 3) and tensor.dtype == np.int64 and address == tensor.ctypes.data
    empty, _ = NUMPY.maker("f32")((0, 3))
    assert empty.shape == (0, 3)


def test_bf16_in_numpy_is_ml_dtypes_or_raw_bits() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert NUMPY.read(np.ones(4, ml_dtypes.bfloat16))[1] == "bf16"
    assert one_input("bf16").check([(4,)], ["ui16"]) == [], "uint16 holds the bits"
    with pytest.raises(CallError, match="expected bf16, got f16"):
        one_input("bf16").check([(4,)], ["f16"])
    with pytest.raises(CallError, match="expected ui16, got bf16"):
        one_input("ui16").check([(4,)], ["bf16"])
    tensor, _ = NUMPY.maker("bf16")((2,))
    assert tensor.dtype == ml_dtypes.bfloat16


def test_bf16_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    numpy_dtype.cache_clear()
    try:
        assert NUMPY.maker("bf16")((2,))[0].dtype == np.uint16
    finally:
        numpy_dtype.cache_clear()


@pytest.mark.parametrize(
    ("torch_name", "dtype"),
    [("bool", "i1"), ("int8", "i8"), ("uint8", "ui8"), ("int64", "i64"), ("float16", "f16"), ("bfloat16", "bf16"), ("float32", "f32"),
     ("float64", "f64")],
)  # fmt: skip
def test_torch_dtypes(torch_name: str, dtype: str) -> None:
    torch: Any = pytest.importorskip("torch")
    tensor = torch.zeros(4, dtype=getattr(torch, torch_name))
    kind = kind_of(tensor)
    shape, name, address, owner = kind.read(tensor)
    assert (tuple(shape), name, address) == ((4,), dtype, tensor.data_ptr()) and owner is tensor
    made, address = kind.maker(dtype)((2, 3))
    assert made.dtype == tensor.dtype and made.data_ptr() == address
    borrowed = Borrowed(tensor.__dlpack__())
    assert (borrowed.shape, borrowed.dtype, borrowed.pointer) == ((4,), dtype, tensor.data_ptr())
    assert borrowed.on_cpu and borrowed.contiguous


def test_strides_of_dlpack() -> None:
    array = np.zeros((4, 6), np.float32)
    assert Borrowed(array.__dlpack__()).contiguous
    assert not Borrowed(array.T.__dlpack__()).contiguous
    assert not Borrowed(array[:, :3].__dlpack__()).contiguous
    assert Borrowed(array[1:2, :3].__dlpack__()).contiguous, "the stride of a dimension of size 1 does not matter"
    assert Borrowed(array[1:].__dlpack__()).pointer == array.ctypes.data + 24


def test_what_is_no_tensor() -> None:
    with pytest.raises(CallError, match="got dict") as caught:
        kind_of({})
    assert "__dlpack__" in caught.value.remedy
