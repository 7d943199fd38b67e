"""Compile one level 3 function to native code and call it with NumPy arrays.

For kernel authors. With `module` holding `@name` as docs/levels.md describes it:

    out = np.zeros((77, 384), np.float32)
    run_level3(module, "softmax_0", [x, out], symbols=[77])                        # all units of tw.trip_count
    run_level3(module, "softmax_0", [x, out], symbols=[77], lo=3, hi=9)            # some of them
    run_level3(text, "softmax_0", [x, out], symbols=[77], target=find("cpu:x86-64-v3"))

`arrays` are the inputs, then the outputs, contiguous, in the order of the arguments; `symbols` the values of the kernel's symbols
in name order. Scratch of the size in `tw.scratch` is 64-byte aligned, filled with NaN patterns, and ends at a page that may not be
touched (`guarded_memory`). The arrays are passed as they are, so misaligned views test alignment. The module is cloned first: it is
not changed. `level3_timer` gives a bound call without the compile cost for timing. Under pytest the fixture `run_level3` is the same
function.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence

import numpy as np
from guarded_memory import guarded

from tilewright.codegen.link import link_shared
from tilewright.codegen.llvm_object import CompiledObject, compile_object
from tilewright.core import symbolic
from tilewright.core.mlir import ir, new_context
from tilewright.lowering.to_llvm import lower_to_llvm, translate
from tilewright.runtime.loader import load_shared_object
from tilewright.runtime.tile_permission import require_tile_permission
from tilewright.targets import Target, host_target

_loaded: dict[bytes, ctypes.CDLL] = {}


def aligned(shape: Sequence[int], dtype: type | np.dtype, offset: int = 0) -> np.ndarray:
    """An uninitialized array whose data is `offset` bytes behind a 64-byte boundary."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + 64 + offset, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    return raw[start : start + size].view(dtype).reshape(shape)


def compile_level3(module: ir.Module | str, target: Target, want_assembly: bool = False, want_mix: bool = True) -> CompiledObject:
    """The object of a level 3 module (or its text)."""
    with new_context(), ir.Location.unknown():
        copy = ir.Module.parse(str(module.operation.get_asm(enable_debug_info=True)) if isinstance(module, ir.Module) else module)
        lower_to_llvm(copy)
        return compile_object(translate(copy), target, want_assembly=want_assembly, want_mix=want_mix)


def level3_timer(
    module: ir.Module | str,
    name: str,
    arrays: Sequence[np.ndarray],
    symbols: Sequence[int] = (),
    lo: int = 0,
    hi: int | None = None,
    target: Target | None = None,
) -> Callable[[], None]:
    """Compile now; return a function that makes the call `name(arrays..., scratch, symbols..., lo, hi)`."""
    for array in arrays:
        if not array.flags.c_contiguous:
            raise ValueError("arrays must be C-contiguous")
    trip_count, scratch_bytes = _sizes(module, name, symbols)
    library = _library(str(module), target or host_target())
    scratch = guarded([scratch_bytes], np.uint8, alignment=64)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, scratch)]
    numbers = [ctypes.c_int64(v) for v in (*symbols, lo, trip_count if hi is None else hi)]
    function = getattr(library, name)
    function.restype = None

    def call() -> None:
        function(*pointers, *numbers)

    call.keep_alive = (arrays, scratch)  # type: ignore[attr-defined]
    return call


def run_level3(
    module: ir.Module | str,
    name: str,
    arrays: Sequence[np.ndarray],
    symbols: Sequence[int] = (),
    lo: int = 0,
    hi: int | None = None,
    target: Target | None = None,
) -> None:
    """Compile `@name` and call it once; outputs are written into `arrays`."""
    level3_timer(module, name, arrays, symbols, lo, hi, target)()


def _sizes(module: ir.Module | str, name: str, symbols: Sequence[int]) -> tuple[int, int]:
    context = new_context()
    context.allow_unregistered_dialects = True
    with context, ir.Location.unknown():
        parsed = ir.Module.parse(str(module))
        for op in parsed.body.operations:
            attributes = op.operation.attributes
            if "sym_name" in attributes and ir.StringAttr(attributes["sym_name"]).value == name:
                values = {f"d{i}": v for i, v in enumerate(symbols)}
                texts = [ir.StringAttr(attributes[key]).value for key in ("tw.trip_count", "tw.scratch")]
                trip_count, scratch = (symbolic.parse(t).evaluate(values) for t in texts)
                return trip_count, scratch
    raise ValueError(f"no function {name} in the module")


@functools.lru_cache(maxsize=64)
def _library(text: str, target: Target) -> ctypes.CDLL:
    """A test that calls one kernel with many sizes compiles it once."""
    return _load(compile_level3(text, target, want_mix=False).object, target)


def _load(data: bytes, target: Target) -> ctypes.CDLL:
    if data not in _loaded:
        require_tile_permission(target.requires, target.name)
        _loaded[data] = load_shared_object(link_shared([data], target), "a test")
    return _loaded[data]
