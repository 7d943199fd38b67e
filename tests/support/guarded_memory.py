"""Arrays that end (or begin) where the process may not read, so that a kernel which reaches beside them is caught.

array = guarded([7, 33], np.float32)     # the byte behind it lies in a page without permissions
assert_guards(array)                     # nothing was written into the rest of its own pages

What lies beside an array in its own pages are bytes of 0xFF, as floats of any width NaN: results are poisoned by what is read there.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

_GUARD = 0xFF
_NO_PERMISSION = 0
_mprotect = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded(shape: Sequence[int], dtype: Any, *, at_end: bool = True, alignment: int = 0) -> np.ndarray:
    """An array of 0xFF bytes between two pages without permissions: as near to the one behind it as `alignment` allows (bytes; by default
    that of its elements), or, unless `at_end`, directly behind the other one.

    Raises OSError where the system refuses to take the permissions away.
    """
    kind, page = np.dtype(dtype), mmap.PAGESIZE
    size, step = int(np.prod(shape)) * kind.itemsize, alignment or kind.itemsize
    inner = max(1, -(-size // page)) * page
    mapped = np.frombuffer(mmap.mmap(-1, inner + 2 * page), np.uint8)
    for address in (mapped.ctypes.data, mapped.ctypes.data + page + inner):
        if _mprotect(address, page, _NO_PERMISSION):
            raise OSError(ctypes.get_errno(), "mprotect failed")
    usable = mapped[page : page + inner]
    usable.fill(_GUARD)
    offset = (inner - size) // step * step if at_end else 0
    return usable[offset : offset + size].view(kind).reshape(shape)


def guarded_copy(array: np.ndarray, *, at_end: bool = True, alignment: int = 0) -> np.ndarray:
    """`array`, contiguous, between guards."""
    copy = guarded(array.shape, array.dtype, at_end=at_end, alignment=alignment)
    copy[...] = array
    return copy


def assert_guards(array: np.ndarray) -> None:
    """Nothing was written beside an array of `guarded` in its own pages."""
    mapped, page = array.base, mmap.PAGESIZE
    assert isinstance(mapped, np.ndarray)
    usable = mapped[page : mapped.size - page]
    offset = array.ctypes.data - usable.ctypes.data
    beside = (usable[:offset], usable[offset + array.nbytes :])
    assert all((part == _GUARD).all() for part in beside), "the kernel wrote outside its result"
