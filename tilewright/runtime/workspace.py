"""Memory and the argument record of one native call. A workspace serves one call at a time; sessions keep a pool of them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from tilewright.runtime.openmp import OpenMP

ALIGNMENT = 64


class CallRecord(ctypes.Structure):
    """`tw_call` of docs/levels.md."""

    _fields_ = (
        ("inputs", ctypes.c_void_p),
        ("outputs", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("arena", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("scratch_stride", ctypes.c_int64),
        ("symbols", ctypes.c_void_p),
        ("threads", ctypes.c_int64),
        ("parallel", ctypes.c_void_p),
        ("barrier", ctypes.c_void_p),
        ("thread_num", ctypes.c_void_p),
        ("num_threads", ctypes.c_void_p),
    )


class Plan:
    """What one combination of input shapes determines: the symbols' values, the outputs' shapes, memory in bytes, the threads."""

    def __init__(
        self,
        symbols: Sequence[int],
        output_shapes: Sequence[tuple[int, ...]],
        arena_bytes: int,
        scratch_bytes: int,
        threads: int,
        openmp: OpenMP | None,
    ) -> None:
        self.symbols = (ctypes.c_int64 * max(1, len(symbols)))(*symbols)
        self.output_shapes = tuple(output_shapes)
        self.arena_bytes = arena_bytes
        self.scratch_stride = -(-scratch_bytes // ALIGNMENT) * ALIGNMENT
        self.threads = threads
        self.openmp = openmp if threads > 1 else None


class Workspace:
    """An arena, scratch for all threads, and a call record whose tables the session fills."""

    def __init__(self, inputs: int, outputs: int, weights_address: int) -> None:
        self.inputs = (ctypes.c_void_p * max(1, inputs))()
        self.outputs = (ctypes.c_void_p * max(1, outputs))()
        self.record = CallRecord(
            inputs=ctypes.addressof(self.inputs),
            outputs=ctypes.addressof(self.outputs),
            weights=weights_address,
        )
        self.reference = ctypes.byref(self.record)
        self.plan: Plan | None = None
        self._arena = _Buffer()
        self._scratch = _Buffer()

    def prepare(self, plan: Plan) -> None:
        """Make the record fit `plan`; memory only grows."""
        record = self.record
        record.arena = self._arena.reserve(plan.arena_bytes)
        record.scratch = self._scratch.reserve(plan.scratch_stride * plan.threads)
        record.scratch_stride = plan.scratch_stride
        record.symbols = ctypes.addressof(plan.symbols)
        record.threads = plan.threads
        openmp = plan.openmp
        record.parallel = openmp.parallel if openmp else None
        record.barrier = openmp.barrier if openmp else None
        record.thread_num = openmp.thread_num if openmp else None
        record.num_threads = openmp.num_threads if openmp else None
        self.plan = plan


class _Buffer:
    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._size = -1

    def reserve(self, size: int) -> int:
        """The aligned address of at least `size` bytes."""
        if size > self._size:
            self._memory = np.empty(size + ALIGNMENT, np.uint8)
            self._size = size
        address: int = self._memory.__array_interface__["data"][0]
        return -(-address // ALIGNMENT) * ALIGNMENT
