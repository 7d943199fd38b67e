"""How the elements of a row of keys or values lie in f32 vectors."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class Part:
    """Elements from `first` on that are loaded at once, as one vector, or two where they are `paired`: even elements and odd ones.

    The first `repeated` lanes hold elements that another part has too: a row that is no whole number of vectors ends with a vector that
    overlaps the one before. A row shorter than a vector is one part of `length` elements, which are loaded one by one.
    """

    first: int
    length: int
    paired: bool = False
    repeated: int = 0


@dataclass(frozen=True)
class HeadLayout:
    """Rows of `size` elements of `dtype` in vectors of `lanes` f32."""

    size: int
    dtype: str
    lanes: int

    @property
    def parts(self) -> list[Part]:
        """In the order of their vectors."""
        size, lanes = self.size, self.lanes
        if size < lanes:
            return [Part(0, size)]
        parts: list[Part] = []
        # Two bf16 of one 32-bit lane become f32 by a shift and by a mask, which takes fewer instructions than widening them in order.
        pairs = size // (2 * lanes) if self.dtype == "bf16" else 0
        parts += [Part(2 * lanes * i, 2 * lanes, paired=True) for i in range(pairs)]
        done = 2 * lanes * pairs
        parts += [Part(first, lanes) for first in range(done, size - lanes + 1, lanes)]
        rest = (size - done) % lanes
        if rest:
            parts.append(Part(size - lanes, lanes, repeated=lanes - rest))
        return parts

    @property
    def vectors(self) -> int:
        """Vectors of a row."""
        return sum(2 if part.paired else 1 for part in self.parts)

    @property
    def row(self) -> int:
        """f32 elements of a row in this layout."""
        return self.vectors * self.lanes

    def load(self, source: Flat, start: Index, part: Part) -> list[ir.Value]:
        """The vectors of a part of the row at `start`, as f32."""
        at = source.index.add(start, part.first)
        if part.length < self.lanes:
            return [_gather(source, at, part.length, self.lanes)]
        loaded = source.load_vector(at, part.length)
        if not part.paired:
            return [as_f32(loaded)]
        words = Lanes(ir.VectorType.get([self.lanes], ir.F32Type.get()))
        pairs = vector.bitcast(words.i32, loaded)
        return [words.from_bits(words.shift_left(pairs, 16)), words.from_bits(words.and_int(pairs, -65536))]

    def load_ordered(self, source: Flat, start: Index, part: Part) -> list[ir.Value]:
        """Like `load`, for a row of another dtype: lanes that a part repeats are 0."""
        at = source.index.add(start, part.first)
        if part.length < self.lanes:
            return [_gather(source, at, part.length, self.lanes)]
        loaded = [as_f32(source.load_vector(source.index.add(at, i), self.lanes)) for i in range(0, part.length, self.lanes)]
        if part.paired:
            return [vector.shuffle(loaded[0], loaded[1], [2 * lane + odd for lane in range(self.lanes)]) for odd in (0, 1)]
        if part.repeated:
            zero = Lanes(loaded[0].type).constant(0.0)
            order = [self.lanes + lane if lane < part.repeated else lane for lane in range(self.lanes)]
            return [vector.shuffle(loaded[0], zero, order)]
        return loaded

    def store(self, target: Flat, start: Index, part: Part, values: list[ir.Value]) -> None:
        """Store the vectors of a part as elements of a row of any float dtype."""
        at = target.index.add(start, part.first)
        if part.paired:
            merged = [[half + lane // 2 + self.lanes * (lane % 2) for lane in range(self.lanes)] for half in (0, self.lanes // 2)]
            values = [vector.shuffle(values[0], values[1], order) for order in merged]
        for number, value in enumerate(values):
            narrow = _as_dtype(value, target)
            if part.length < self.lanes:
                for lane in range(part.length):
                    target.store(vector.extract(narrow, [], [lane]), target.index.add(at, lane))
            else:
                target.store_vector(narrow, target.index.add(at, number * self.lanes))


def as_f32(value: ir.Value) -> ir.Value:
    """Floats and signed integers, scalars or vectors, as f32."""
    kind = value.type
    element = kind.element_type if isinstance(kind, ir.VectorType) else kind
    f32 = ir.F32Type.get()
    wide = ir.VectorType.get(kind.shape, f32) if isinstance(kind, ir.VectorType) else f32
    if isinstance(element, ir.IntegerType):
        i32 = ir.IntegerType.get_signless(32)
        held = ir.VectorType.get(kind.shape, i32) if isinstance(kind, ir.VectorType) else i32
        return arith.sitofp(wide, arith.extsi(held, value))
    return value if element == f32 else arith.extf(wide, value)


def _as_dtype(value: ir.Value, target: Flat) -> ir.Value:
    if target.dtype == "f32":
        return value
    return arith.truncf(ir.VectorType.get(ir.VectorType(value.type).shape, target.storage), value)


def _gather(source: Flat, start: Index, length: int, lanes: int) -> ir.Value:
    zero = arith.constant(ir.F32Type.get(), 0.0)
    scalars = [as_f32(source.load(source.index.add(start, i))) for i in range(length)]
    return vector.from_elements(ir.VectorType.get([lanes], ir.F32Type.get()), scalars + [zero] * (lanes - length))
