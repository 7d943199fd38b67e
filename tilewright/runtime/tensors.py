"""Tensors of other libraries as pointers, and results in the same kind. No library but NumPy is imported.

One adapter per kind of tensor. `read` gives shape, dtype name, the address of contiguous data, and the object that keeps it alive
(the tensor itself, or a contiguous copy); `maker` gives a function that makes a new tensor of that kind and its address.

bf16 has no NumPy dtype: NumPy inputs may be `ml_dtypes.bfloat16` or `uint16` arrays that hold the bits; NumPy outputs are
`ml_dtypes.bfloat16` where that package is installed, else `uint16`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright.runtime.dlpack import Borrowed
from tilewright.runtime.errors import CallError

_NUMPY_NAMES: dict[str, str] = {
    "bool": "i1",
    "int8": "i8",
    "uint8": "ui8",
    "int16": "i16",
    "uint16": "ui16",
    "int32": "i32",
    "uint32": "ui32",
    "int64": "i64",
    "uint64": "ui64",
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
}
_TORCH_NAMES: dict[str, str] = {f"torch.{name}": dtype for name, dtype in _NUMPY_NAMES.items()}


Tensor = tuple[tuple[int, ...], str, int, Any]
"""Shape, dtype name, address, and the owner of the memory."""


def numpy_address(array: Any) -> int:
    """The address of a writable contiguous array (a third of the time that `array.ctypes.data` takes)."""
    try:
        return _address_of(_char_of(array))
    except ValueError:  # No elements, or a dtype that the buffer protocol does not know, such as bfloat16.
        return array.__array_interface__["data"][0]


_char_of = ctypes.c_char.from_buffer
_address_of = ctypes.addressof


class NumpyKind:
    """`numpy.ndarray`; also NumPy scalars and Python numbers, which become arrays without dimensions."""

    def __init__(self) -> None:
        self._dtypes: dict[np.dtype[Any], str] = {}

    def read(self, array: Any) -> Tensor:
        dtype = self._dtypes.get(array.dtype)
        if dtype is None:
            dtype = (_NUMPY_NAMES.get(array.dtype.name) if array.dtype.isnative else None) or str(array.dtype)
            self._dtypes[array.dtype] = dtype
        flags = array.flags
        if flags.carray:
            return array.shape, dtype, numpy_address(array), array
        if not (flags.c_contiguous and flags.aligned):
            array = np.array(array, order="C")
        return array.shape, dtype, array.__array_interface__["data"][0], array

    def maker(self, dtype: str) -> Callable[[tuple[int, ...]], tuple[Any, int]]:
        kind = numpy_dtype(dtype)

        def empty(shape: tuple[int, ...]) -> tuple[Any, int]:
            array = np.empty(shape, kind)
            return array, numpy_address(array)

        return empty


class TorchKind:
    """`torch.Tensor` on the CPU."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self._dtypes: dict[Any, str] = {}

    def read(self, tensor: Any) -> Tensor:
        dtype = self._dtypes.get(tensor.dtype)
        if dtype is None:
            dtype = self._dtypes[tensor.dtype] = _TORCH_NAMES.get(str(tensor.dtype), str(tensor.dtype))
        if not tensor.is_cpu:
            raise CallError(f"got a tensor on {tensor.device}", "the program runs on the CPU", "move it by .cpu()")
        try:
            if not tensor.is_contiguous() or tensor.is_neg():
                tensor = tensor.detach().resolve_neg().contiguous()
            return tensor.shape, dtype, tensor.data_ptr(), tensor
        except RuntimeError as error:  # Asking beforehand would cost every call.
            raise _without_memory(tensor, error) from error

    def maker(self, dtype: str) -> Callable[[tuple[int, ...]], tuple[Any, int]]:
        torch = self.torch
        kind = getattr(torch, next(name for name, own in _NUMPY_NAMES.items() if own == dtype))

        def empty(shape: tuple[int, ...]) -> tuple[Any, int]:
            tensor = torch.empty(shape, dtype=kind)
            return tensor, tensor.data_ptr()

        return empty


class DLPackKind:
    """Anything with `__dlpack__` (JAX, CuPy on host memory, ...). Results go back through the library's own `from_dlpack`."""

    def __init__(self, tensor: Any) -> None:
        self.namespace = _array_namespace(tensor)

    def read(self, tensor: Any) -> Tensor:
        borrowed = _borrow(tensor)
        if not borrowed.on_cpu:
            raise CallError("got a tensor that is not in the CPU's memory", "the program runs on the CPU", "copy it to the host")
        if not borrowed.contiguous:
            array = np.array(np.from_dlpack(tensor), order="C")
            return borrowed.shape, borrowed.dtype, numpy_address(array), array
        return borrowed.shape, borrowed.dtype, borrowed.pointer, borrowed

    def maker(self, dtype: str) -> Callable[[tuple[int, ...]], tuple[Any, int]]:
        return NUMPY.maker(dtype)

    def finish(self, array: Any) -> Any:
        """A filled NumPy array as a tensor of the library."""
        return array if self.namespace is None else self.namespace.from_dlpack(array)


NUMPY = NumpyKind()
_torch_kinds: dict[Any, TorchKind] = {}
_dlpack_kinds: dict[type, DLPackKind] = {}


def kind_of(tensor: Any) -> NumpyKind | TorchKind | DLPackKind:
    """The adapter for a tensor. Raises CallError (without the input's name) for what is not a tensor."""
    if isinstance(tensor, np.ndarray):
        return NUMPY
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        if torch not in _torch_kinds:
            _torch_kinds[torch] = TorchKind(torch)
        return _torch_kinds[torch]
    if hasattr(tensor, "__dlpack__"):
        kind = _dlpack_kinds.get(type(tensor))
        if kind is None:
            kind = _dlpack_kinds[type(tensor)] = DLPackKind(tensor)
        return kind
    raise CallError(f"got {type(tensor).__name__}", remedy="give a NumPy array, a torch tensor or an object with __dlpack__")


def as_tensor(value: Any, dtype: str) -> Any:
    """Python numbers and NumPy scalars as arrays of `dtype`, objects with only an array interface as arrays; tensors as they are."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (bool, int, float)):
        kind = np.dtype(numpy_dtype(dtype))
        array = np.asarray(value)
        fits = np.can_cast(array.dtype, kind, "same_kind") or (isinstance(value, int) and not isinstance(value, bool))
        return array.astype(kind) if fits and dtype != "i1" else array
    if isinstance(value, np.generic):
        return np.asarray(value)
    if not hasattr(value, "__dlpack__") and hasattr(value, "__array_interface__"):
        return np.asarray(value)
    return value


@functools.lru_cache(maxsize=64)
def numpy_dtype(dtype: str) -> Any:
    """NumPy's dtype for a dtype name."""
    if dtype == "bf16":
        try:
            return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
        except ImportError:
            return np.dtype(np.uint16)
    return np.dtype(next(name for name, own in _NUMPY_NAMES.items() if own == dtype))


def _without_memory(tensor: Any, error: RuntimeError) -> CallError:
    """The refusal of a torch tensor that has no elements in memory to point to: a sparse one, a wrapper of another subsystem."""
    layout = str(tensor.layout)
    if layout != "torch.strided":
        return CallError(f"got a tensor of layout {layout}", "the program reads dense memory", "convert it by .to_dense()")
    reason = str(error).strip().splitlines()
    return CallError(f"got a {type(tensor).__name__} without readable memory", reason[0] if reason else "", "give a plain dense tensor")


def _borrow(tensor: Any) -> Borrowed:
    return Borrowed(tensor.__dlpack__())


def _array_namespace(tensor: Any) -> Any:
    """The module to turn results back with: the array API's namespace, or the top-level package if it has `from_dlpack`."""
    if hasattr(tensor, "__array_namespace__"):
        namespace = tensor.__array_namespace__()
        return namespace if hasattr(namespace, "from_dlpack") else None
    package = sys.modules.get(type(tensor).__module__.partition(".")[0])
    return package if hasattr(package, "from_dlpack") else None
