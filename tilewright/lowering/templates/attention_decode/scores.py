"""Scores of a block of keys: all that is done to products before the softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.math.hyperbolic import tanh
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.masks import as_addend
from tilewright.lowering.templates.attention.problem import Strided
from tilewright.lowering.templates.attention.softmax import INVISIBLE, LOG2_E
from tilewright.lowering.templates.attention_decode.cache import Cache, KeyRange, load_by_key
from tilewright.lowering.templates.attention_decode.head_layout import HeadLayout, as_f32
from tilewright.lowering.templates.attention_decode.problem import DecodeProblem
from tilewright.lowering.templates.attention_decode.products import KeyProducts
from tilewright.lowering.templates.attention_decode.rows import DecodeRows, UnitPlace
from tilewright.lowering.templates.control import for_loop
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.vector_region import emit_region
from tilewright.targets import Target


@dataclass(frozen=True)
class ScoreBuffers:
    """Inputs, and scratch: `scores [tile][block]`, and one vector for each dtype of `staging`."""

    scores: Flat
    staging: dict[str, Flat]
    k_scale: Flat | None = None
    mask: Flat | None = None
    inputs: Sequence[Flat] = ()


@dataclass(frozen=True)
class ByKey:
    """How a tensor over `[batch, head, query, key]` is read: `convert` makes elements of `dtype` of what is stored."""

    name: str
    source: Flat
    tensor: Strided
    convert: Callable[[ir.Value], ir.Value]
    dtype: str = "f32"


@dataclass(frozen=True)
class Scores:
    """Emits the scores of `rows` rows at a time, from their products with keys."""

    problem: DecodeProblem
    index: IndexMath
    lanes: Lanes
    target: Target
    layout: HeadLayout
    cache: Cache
    of_rows: DecodeRows
    products: KeyProducts
    buffers: ScoreBuffers
    rows: int
    block: int

    def complete(
        self, place: UnitPlace, keys: KeyRange, first_row: Index, first_key: Index, ranges: Sequence[tuple[Index, Index]]
    ) -> list[ir.Value]:
        """Store the scores of `rows` rows with all keys of the block; those of keys that a row does not see, by `ranges`, a mask or a
        region, are `INVISIBLE`. Returns the largest of each lane, by row.
        """
        index, lanes, width = self.index, self.lanes, self.layout.lanes
        lowest = [lanes.constant(INVISIBLE)] * self.rows

        def vector_of_keys(offset: ir.Value, best: list[ir.Value]) -> list[ir.Value]:
            key = index.add(first_key, offset)
            scale = self._scale(keys, key)
            updated: list[ir.Value] = []
            shared: dict[str, ir.Value] = {}
            for row, product in enumerate(self.products.load(first_row, offset)):
                score = product
                if scale is not None:
                    score = lanes.mul(score, scale)
                if self.problem.softcap:
                    score = lanes.mul(tanh(lanes, score), self.problem.softcap * (1.0 if self.problem.score is not None else LOG2_E))
                number = index.add(first_row, row)
                conditions: list[ir.Value] = []
                if self.problem.score is not None:
                    score, *conditions = self._region(place, keys, number, key, score, shared)
                    score = lanes.mul(score, LOG2_E)
                if self.buffers.mask is not None and self.problem.mask is not None:
                    read = ByKey("mask", self.buffers.mask, self.problem.mask, as_score_addend)
                    score = lanes.add(score, self._by_key(read, place, keys, number, key, shared))
                conditions += self._in_range(key, *ranges[row])
                for condition in conditions:
                    score = lanes.select(condition, score, lanes.constant(INVISIBLE))
                self.buffers.scores.store_vector(score, index.add(index.mul(number, self.block), offset))
                updated.append(lanes.max(score, best[row]))
            return updated

        return for_loop(index, 0, self.block, width, vector_of_keys, lowest)

    def _scale(self, keys: KeyRange, key: Index) -> ir.Value | None:
        if self.buffers.k_scale is None or self.problem.k_scale is None:
            return None
        return load_scales(
            self.cache, self.buffers.k_scale, self.problem.k_scale, keys, key, self.layout.lanes, self.buffers.staging["f32"]
        )

    def _in_range(self, key: Index, first: Index, end: Index) -> list[ir.Value]:
        """Which of the keys from `key` on are in a range."""
        numbers = self._numbers(self._i32(key))
        conditions = [arith.cmpi(arith.CmpIPredicate.slt, numbers, vector.broadcast(numbers.type, self._i32(end)))]
        if not isinstance(first, int) or first > 0:
            conditions.append(arith.cmpi(arith.CmpIPredicate.sge, numbers, vector.broadcast(numbers.type, self._i32(first))))
        return conditions

    def _i32(self, value: Index) -> ir.Value:
        return arith.index_cast(ir.IntegerType.get_signless(32), self.index.value(value))

    def _numbers(self, first: ir.Value) -> ir.Value:
        """`first`, `first + 1`, ... in the type of `first`."""
        kind = ir.VectorType.get([self.layout.lanes], first.type)
        steps = ir.DenseElementsAttr.get([ir.IntegerAttr.get(first.type, lane) for lane in range(self.layout.lanes)], kind)
        return arith.addi(vector.broadcast(kind, first), arith.constant(kind, steps))

    def _by_key(self, read: ByKey, place: UnitPlace, keys: KeyRange, row: Index, key: Index, shared: dict[str, ir.Value]) -> ir.Value:
        """Converted elements of a row for a vector of keys. Those that all rows share are read once, and kept in `shared`."""
        tensor = read.tensor
        varies = tensor.row != 0 or (tensor.head != 0 and self.problem.group > 1)
        if not varies and read.name in shared:
            return shared[read.name]
        index, width = self.index, self.layout.lanes
        start = self.of_rows.offset(tensor, place, row)
        if tensor.column == 0:
            scalar = read.convert(read.source.load(start))
            value = vector.broadcast(ir.VectorType.get([width], scalar.type), scalar)
        else:
            step, staging = index.dim(tensor.column), self.buffers.staging[read.dtype]
            at: Callable[[Index], Index] = lambda number: index.add(start, index.mul(number, step))  # noqa: E731
            value = load_by_key(read.source, keys, key, width, staging, at, tensor.column == 1, read.convert)
        shared[read.name] = value
        return value

    def _region(
        self, place: UnitPlace, keys: KeyRange, row: Index, key: Index, score: ir.Value, shared: dict[str, ir.Value]
    ) -> list[ir.Value]:
        """The score after the region, and whether keys are visible if it says so."""
        assert self.problem.score is not None
        i64, width = ir.IntegerType.get_signless(64), self.layout.lanes
        query, head = self.of_rows.query_and_head(place, row)
        words = [arith.index_cast(i64, self.index.value(value)) for value in (place.batch, head, query, key)]
        arguments = [score, *(vector.broadcast(ir.VectorType.get([width], i64), word) for word in words[:3]), self._numbers(words[3])]
        for number, (source, tensor) in enumerate(zip(self.buffers.inputs, self.problem.score_inputs, strict=True)):
            read = ByKey(f"input {number}", source, tensor, lambda value: value, tensor.dtype)
            arguments.append(self._by_key(read, place, keys, row, key, shared))
        return emit_region(self.problem.score, arguments, width, self.target)


def load_scales(cache: Cache, source: Flat, tensor: Strided, keys: KeyRange, key: Index, lanes: int, staging: Flat) -> ir.Value:
    """The scales of `lanes` rows of the cache from a multiple of `lanes` on."""

    def at(number: Index) -> Index:
        return cache.offsets(tensor, keys, cache.find(keys, number, 1, clamp=False))[0]

    return load_by_key(source, keys, key, lanes, staging, at, tensor.row == 1 and cache.together(lanes), as_f32)


def as_score_addend(mask: ir.Value) -> ir.Value:
    """Mask elements of any dtype as what is added to a score."""
    kind = mask.type
    element = kind.element_type if isinstance(kind, ir.VectorType) else kind
    return as_addend(mask if isinstance(element, ir.IntegerType) else as_f32(mask))
