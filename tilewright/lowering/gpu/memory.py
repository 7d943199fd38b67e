"""Global memory: scalar accesses, and vector accesses where the elements of one thread are neighbours and aligned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewright.core.mlir import arith, ir, llvm, vector
from tilewright.core.symbolic import Expr, symbol
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.index_algebra import linear_coefficient
from tilewright.lowering.loops.memory import Buffer
from tilewright.lowering.loops.types import BYTES, from_memory, storage_type, to_memory

if TYPE_CHECKING:
    from tilewright.lowering.gpu.emitter import DeviceEmitter

GLOBAL = 1
"""LLVM's address space of global memory on NVIDIA and AMD GPUs."""
POINTER_ALIGNMENT = 16
"""Bytes; also the widest access of a thread."""
_DYNAMIC = -(2**31)


def global_pointer() -> ir.Type:
    """The type of a pointer into global memory."""
    return ir.Type.parse(f"!llvm.ptr<{GLOBAL}>")


def load(emitter: DeviceEmitter, buffer: Buffer, address: Expr, element: Element) -> ir.Value:
    """The element at `address` as a scalar in registers. Equal addresses are loaded once."""
    scopes = emitter.scopes
    home = emitter.home(address.symbols())
    key = ("load", id(buffer.view), str(address))
    known = emitter.known(home, key)
    if known is not None:
        return known
    width = 1 if home.guarded else vector_width(emitter, address, element.offset)
    with scopes.at(home):
        if width == 1:
            raw = llvm.LoadOp(storage_type(buffer.dtype), _pointer(emitter, buffer, address)).result
        else:
            raw = vector.ExtractOp(_load_vector(emitter, buffer, address - element.offset, width), [], [element.offset]).result
        value = from_memory(raw, buffer.dtype)
    home.memo[key] = value
    return value


def _load_vector(emitter: DeviceEmitter, buffer: Buffer, address: Expr, width: int) -> ir.Value:
    home = emitter.home(address.symbols())
    key = ("vector", id(buffer.view), str(address))
    known = emitter.known(home, key)
    if known is None:
        vector_type = ir.VectorType.get([width], storage_type(buffer.dtype))
        known = llvm.LoadOp(vector_type, _pointer(emitter, buffer, address), alignment=_alignment(buffer, width)).result
        home.memo[key] = known
    return known


def store(emitter: DeviceEmitter, buffer: Buffer, addresses: Sequence[Expr], values: Sequence[ir.Value]) -> None:
    """Store the neighbouring elements of one thread, by one access where that is possible."""
    stored = [to_memory(v, buffer.dtype, emitter.native_bf16) for v in values]
    widths = {vector_width(emitter, a, i) for i, a in enumerate(addresses)}
    if len(stored) > 1 and widths == {len(stored)}:
        lanes = vector.FromElementsOp(ir.VectorType.get([len(stored)], stored[0].type), stored).result
        llvm.StoreOp(lanes, _pointer(emitter, buffer, addresses[0]), alignment=_alignment(buffer, len(stored)))
        return
    for address, value in zip(addresses, stored):
        llvm.StoreOp(value, _pointer(emitter, buffer, address))


def vector_width(emitter: DeviceEmitter, address: Expr, offset: int) -> int:
    """How many elements from `address - offset` on one access takes, when `address` is that of the thread's element `offset`.

    More than 1 only where the address is that of the first element plus the offset, and the first element's is aligned.
    """
    for name in address.symbols() & emitter.multiples.keys():
        width = emitter.multiples[name]
        coefficient = linear_coefficient(address, name)
        if coefficient is None or coefficient != 1 or offset >= width:
            continue
        rest = address - symbol(name) - offset
        if all(c % width == 0 for c in rest.terms.values()):
            return width
    return 1


def _alignment(buffer: Buffer, width: int) -> int:
    return min(POINTER_ALIGNMENT, width * BYTES[buffer.dtype])


def _pointer(emitter: DeviceEmitter, buffer: Buffer, address: Expr) -> ir.Value:
    offset = arith.IndexCastUIOp(ir.IntegerType.get_signless(64), emitter.scopes.index(address)).result
    return llvm.GEPOp(buffer.view.type, buffer.view, [offset], [_DYNAMIC], storage_type(buffer.dtype), 0).result
