"""Loads and stores: contiguous vectors, uniform scalars, and gathers for everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.core.mlir import ir, memref, vector
from tilewright.core.symbolic import Expr
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.index_algebra import linear_coefficient
from tilewright.lowering.loops.types import BYTES, broadcast, constant, from_memory, storage_type, to_memory, zero

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter


@dataclass(frozen=True)
class Buffer:
    """Row-major memory: a 1-D memref and the dtype of its elements."""

    view: ir.Value
    dtype: str


def flat_view(pointer: ir.Value, dtype: str, extent: ir.Value) -> ir.Value:
    """A rank-0 memref as a 1-D one. `extent` is not the real one, only a number that no pass can fold into a wrong static size."""
    result = ir.MemRefType.get([ir.ShapedType.get_dynamic_size()], storage_type(dtype))
    return _one_dimensional(pointer, result, extent)


def _one_dimensional(pointer: ir.Value, result: ir.MemRefType, extent: ir.Value) -> ir.Value:
    static = [ir.DenseI64ArrayAttr.get([v]) for v in (0, ir.ShapedType.get_dynamic_size(), 1)]
    return memref.ReinterpretCastOp(result, pointer, [], [extent], [], *static).result


def bytes_view(scratch: ir.Value, offset: ir.Value, dtype: str, extent: ir.Value) -> ir.Value:
    """A part of the scratch (`memref<i8>`) from byte `offset` on, as a 1-D memref of `dtype`; `extent` as for `flat_view`."""
    dynamic = ir.ShapedType.get_dynamic_size()
    as_bytes = _one_dimensional(scratch, ir.MemRefType.get([dynamic], ir.IntegerType.get_signless(8)), extent)
    return memref.ViewOp(ir.MemRefType.get([dynamic], storage_type(dtype)), as_bytes, offset, [extent]).result


def load(emitter: Emitter, buffer: Buffer, address: Expr, element: Element) -> ir.Value:
    """The elements at `address`, as lanes when it depends on the lane and as a scalar otherwise."""
    scopes = emitter.scopes
    if not emitter.has_lanes(address):
        if element.guard and not scopes.current.guarded:
            # Under a condition that holds in some lanes only, a uniform address may be invalid: load it under the mask.
            return _gather(emitter, buffer, address, element)
        home = emitter.home(address.symbols())
        key = ("load", id(buffer.view), str(address))
        if key not in home.memo:
            index = scopes.index(address)
            with home.insertion_point():
                home.memo[key] = from_memory(memref.LoadOp(buffer.view, [index]).result, buffer.dtype)
        return home.memo[key]  # type: ignore[return-value]
    vector_type = ir.VectorType.get([emitter.width], storage_type(buffer.dtype))
    lane = element.lane
    coefficient = linear_coefficient(address, lane.name) if lane is not None and not emitter.has_lane_data(address) else None
    contiguous = coefficient is not None and coefficient.constant() == 1
    if emitter.fetching:
        if contiguous:
            emitter.fetch(buffer, address, element)
        return from_memory(zero(vector_type), buffer.dtype)
    if not contiguous:
        return _gather(emitter, buffer, address, element)
    index = scopes.index(address)
    if element.mask is None:
        raw = vector.LoadOp(vector_type, buffer.view, [index]).result
    else:
        raw = vector.MaskedLoadOp(vector_type, buffer.view, [index], element.mask, zero(vector_type)).result
    return from_memory(raw, buffer.dtype)


def _gather(emitter: Emitter, buffer: Buffer, address: Expr, element: Element) -> ir.Value:
    """One element per lane from anywhere."""
    width = emitter.width
    vector_type = ir.VectorType.get([width], storage_type(buffer.dtype))
    mask = element.mask if element.mask is not None else constant(ir.VectorType.get([width], ir.IntegerType.get_signless(1)), True)
    base, indices = emitter.lane_addresses(address, element)
    raw = vector.GatherOp(vector_type, buffer.view, [base], broadcast(indices, width), mask, zero(vector_type)).result
    return from_memory(raw, buffer.dtype)


def store(emitter: Emitter, buffer: Buffer, address: Expr, value: ir.Value, element: Element) -> None:
    """Store lanes (contiguous from `address`), or a scalar when there are no lanes."""
    index = emitter.scopes.index(address)
    if element.lane is None:
        memref.StoreOp(to_memory(value, buffer.dtype, emitter.native_bf16), buffer.view, [index])
        return
    lanes = to_memory(broadcast(value, emitter.width), buffer.dtype, emitter.native_bf16)
    if element.mask is None and emitter.past_caches and buffer in emitter.outputs:
        # Of this alignment, or LLVM takes ordinary stores.
        alignment = emitter.width * BYTES[buffer.dtype]
        vector.StoreOp(lanes, buffer.view, [index], nontemporal=True, alignment=alignment)
    elif element.mask is None:
        vector.StoreOp(lanes, buffer.view, [index])
    else:
        vector.MaskedStoreOp(buffer.view, [index], element.mask, lanes)


def tail_mask(width: int, count: ir.Value) -> ir.Value:
    """The first `count` lanes."""
    return vector.CreateMaskOp(ir.VectorType.get([width], ir.IntegerType.get_signless(1)), [count]).result


def lane_numbers(width: int) -> ir.Value:
    """`[0, 1, ..., width-1]` as index lanes."""
    return vector.StepOp(ir.VectorType.get([width], ir.IndexType.get())).result
