"""Flat memory: accesses to rank-0 pointers by element offset, and regions carved from a thread's scratch."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, memref, vector
from tilewright.core.symbolic import Dim, ceildiv, simplify_dim, to_expr
from tilewright.dialects.tw.types import BYTES, element_type
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.views import times

_DYNAMIC = ir.ShapedType.get_dynamic_size()
_UNBOUNDED = 1 << 40
ALIGNMENT = 64


@dataclass(frozen=True)
class Flat:
    """A buffer of `dtype` elements (storage type: `i1` is held as `i8`) addressed by element offsets."""

    memref: ir.Value
    dtype: str
    index: IndexMath

    @property
    def storage(self) -> ir.Type:
        return element_type("i8" if self.dtype == "i1" else self.dtype)

    @property
    def logical(self) -> ir.Type:
        """The type of a loaded element."""
        return element_type(self.dtype)

    @property
    def element_bytes(self) -> int:
        return BYTES[self.dtype]

    def load(self, offset: Index) -> ir.Value:
        """One element, as a scalar of the logical type."""
        scalar = memref.load(self.memref, [self.index.value(offset)])
        return _from_storage(scalar) if self.dtype == "i1" else scalar

    def store(self, scalar: ir.Value, offset: Index) -> None:
        if self.dtype == "i1":
            scalar = arith.extui(self.storage, scalar)
        memref.store(scalar, self.memref, [self.index.value(offset)])

    def load_vector(self, offset: Index, lanes: int, mask: ir.Value | None = None) -> ir.Value:
        """`lanes` neighbours; masked lanes are not read and hold 0."""
        held = ir.VectorType.get([lanes], self.storage)
        at = [self.index.value(offset)]
        if mask is None:
            loaded = vector.load(held, self.memref, at)
        else:
            loaded = vector.maskedload(held, self.memref, at, mask, arith.constant(held, _zero(held)))
        return _from_storage(loaded) if self.dtype == "i1" else loaded

    def store_vector(self, value: ir.Value, offset: Index, mask: ir.Value | None = None) -> None:
        """Store neighbours; masked lanes are not written."""
        lanes = ir.VectorType(value.type).shape[0]
        at = [self.index.value(offset)]
        if self.dtype == "i1":
            value = arith.extui(ir.VectorType.get([lanes], self.storage), value)
        if mask is None:
            vector.store(value, self.memref, at)
        else:
            vector.maskedstore(self.memref, at, mask, value)

    def prefetch(self, offset: Index, *, write: bool = False, locality: int = 3) -> None:
        """Ask for the cache line that holds `offset`; an address past the end is harmless."""
        memref.prefetch(self.memref, [self.index.value(offset)], write, locality, True)


def _zero(mlir_type: ir.Type) -> ir.Attribute:
    element = ir.VectorType(mlir_type).element_type
    is_float = isinstance(element, (ir.F16Type, ir.F32Type, ir.F64Type, ir.BF16Type))
    scalar = ir.FloatAttr.get(element, 0.0) if is_float else ir.IntegerAttr.get(element, 0)
    return ir.DenseElementsAttr.get_splat(mlir_type, scalar)


def _from_storage(value: ir.Value) -> ir.Value:
    """`i8` holding 0 or 1, scalar or vector, as `i1`."""
    bit = ir.IntegerType.get_signless(1)
    target = ir.VectorType.get(ir.VectorType(value.type).shape, bit) if isinstance(value.type, ir.VectorType) else bit
    return arith.trunci(target, value)


def flat_view(pointer: ir.Value, dtype: str, index: IndexMath) -> Flat:
    """A rank-0 memref as a flat buffer. Its bound is nominal: kernels know their sizes."""
    storage = ir.MemRefType(pointer.type).element_type
    flat = memref.reinterpret_cast(ir.MemRefType.get([_DYNAMIC], storage), pointer, [], [index.value(_UNBOUNDED)], [], [0], [_DYNAMIC], [1])
    return Flat(flat, dtype, index)


class Scratch:
    """Hands out regions of a thread's scratch, each aligned to a cache line, and counts the bytes."""

    def __init__(self) -> None:
        self.bytes: Dim = 0

    def reserve(self, elements: Dim, dtype: str) -> Dim:
        """The byte offset of a new region."""
        offset = self.bytes
        size = times(elements, BYTES[dtype])
        size = times(ceildiv(size, ALIGNMENT), ALIGNMENT)
        self.bytes = simplify_dim(to_expr(self.bytes) + size)
        return offset


def scratch_view(pointer: ir.Value, offset: Dim, dtype: str, index: IndexMath) -> Flat:
    """The region at byte `offset` of `%scratch` as a flat buffer."""
    bytes_type = ir.MemRefType.get([_DYNAMIC], element_type("i8"))
    raw = memref.reinterpret_cast(bytes_type, pointer, [], [index.value(_UNBOUNDED)], [], [0], [_DYNAMIC], [1])
    result = ir.MemRefType.get([_DYNAMIC], element_type(dtype))
    region = memref.view(result, raw, index.value(index.dim(offset)), [index.value(_UNBOUNDED // BYTES[dtype])])
    return Flat(region, dtype, index)
