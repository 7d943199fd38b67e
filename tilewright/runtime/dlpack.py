"""Reading a CPU tensor out of a DLPack capsule with ctypes: pointer, dtype, shape. Needed for bf16, which NumPy cannot import.

The structures are those of DLPack's header (`DLTensor`, `DLManagedTensor`), the unversioned form that every producer still gives.
"""

from __future__ import annotations

import ctypes
from typing import Any

DEVICE_CPU = 1
_KINDS = {0: "i", 1: "ui", 2: "f", 4: "bf", 6: "i"}
_BOOL_CODE = 6


class _DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


class Borrowed:
    """A tensor behind a capsule. It is valid while this object, which holds the capsule, is alive."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule
        tensor = _DLTensor.from_address(_get_pointer(capsule, b"dltensor"))
        self.on_cpu = tensor.device_type == DEVICE_CPU
        self.shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
        self.pointer = (tensor.data or 0) + tensor.byte_offset
        bits = 1 if tensor.code == _BOOL_CODE else tensor.bits
        self.dtype = f"{_KINDS.get(tensor.code, '?')}{bits}" if tensor.lanes == 1 else "?"
        self.contiguous = not tensor.strides or _is_row_major(self.shape, [tensor.strides[i] for i in range(tensor.ndim)])


def _is_row_major(shape: tuple[int, ...], strides: list[int]) -> bool:
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True
