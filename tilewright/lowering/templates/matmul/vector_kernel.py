"""The micro-kernel of instructions on vectors: accumulators stay in registers over all of its part of k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tilewright.core.mlir import ir
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.instructions.dot_product import UnsignedDotProduct
from tilewright.lowering.templates.matmul.instructions.vector_instruction import Operand, VectorInstruction
from tilewright.lowering.templates.matmul.micro_kernel import LINE, MicroKernel, Panel, TileMemory
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul import MatmulSchedule

LOCALITY = {1: 3, 2: 2}
"""Cache level to the locality of `memref.prefetch`."""

Accumulators = list[list[list[ir.Value]]]
"""Vectors `[row][right side][vector]`."""


class VectorKernel(MicroKernel):
    """An outer product per group of k: a few rows, each repeated over vectors, times the vectors of a panel."""

    def __init__(self, instruction: VectorInstruction, schedule: MatmulSchedule, index: IndexMath) -> None:
        self._instruction, self._schedule, self._index = instruction, schedule, index
        self._parts = schedule.nr // instruction.lanes
        self.layout = instruction.layout
        self.request_interval = schedule.unroll
        self.store_sums = instruction.store_sums if isinstance(instruction, UnsignedDotProduct) else None

    @property
    def lanes(self) -> int:
        return self._instruction.lanes

    @property
    def heights(self) -> list[int]:
        """`mr` and the powers of two below it."""
        mr = self._schedule.mr
        return [mr, *(1 << power for power in reversed(range(mr.bit_length())) if 1 << power < mr)]

    def for_columns(self, columns: int) -> VectorKernel:
        """As many vectors as hold `columns` columns."""
        vectors = -(-columns // self.lanes)
        if vectors == self._parts:
            return self
        return VectorKernel(self._instruction, replace(self._schedule, nr=vectors * self.lanes), self._index)

    def begin(self) -> None:
        """Nothing to prepare."""

    def end(self) -> None:
        """Nothing to give back."""

    def start(self, panel: Panel, rows: int, kept: TileMemory | None, fresh: ir.Value | None) -> Accumulators:
        sides = len(panel.rhs)
        if kept is None:
            return self._begin(panel, rows)
        if fresh is None:
            return self._load(kept, rows, sides)
        types = [self._instruction.vector_type()] * (rows * sides * self._parts)
        chosen = if_else(fresh, lambda: _flatten(self._begin(panel, rows)), lambda: _flatten(self._load(kept, rows, sides)), types)
        return self._nest(chosen, rows, sides)

    def _begin(self, panel: Panel, rows: int) -> Accumulators:
        """Accumulators before the first product; all rows begin alike."""
        step = self._instruction.lanes * self.layout.group
        parts = range(0, self._parts * step, step)
        row = [[self._instruction.start(r.flat, self._index.add(r.sums(), part)) for part in parts] for r in panel.rhs]
        return [row for _ in range(rows)]

    def accumulate(self, panel: Panel, rows: Sequence[Index], accumulators: Accumulators) -> Accumulators:
        held, sides = _flatten(accumulators), len(panel.rhs)
        fetches = bool(panel.requests) and len(rows) == self.heights[0]
        if fetches and panel.fetches is not None:
            begun = list(held)
            held = if_else(
                panel.fetches,
                lambda: self._products(panel, rows, begun, True),
                lambda: self._products(panel, rows, begun, False),
                [value.type for value in begun],
            )
        else:
            held = self._products(panel, rows, held, fetches)
        return self._nest(held, len(rows), sides)

    def _products(self, panel: Panel, rows: Sequence[Index], accumulators: list[ir.Value], fetches: bool) -> list[ir.Value]:
        """`accumulators` after the products over the panel's part of k. Meanwhile either the requests of the panel are made, or its own
        lines are asked for, some steps ahead.
        """
        index, instruction, schedule = self._index, self._instruction, self._schedule
        group, parts = self.layout.group, self._parts
        sides = len(panel.rhs)
        bases = [panel.lhs.row_base(row) for row in rows]
        lhs_stride = index.mul(panel.lhs.k_stride(), group)

        def one_step(step: Index, held: Sequence[ir.Value]) -> list[ir.Value]:
            right: list[Operand] = []
            for loader in panel.rhs:
                stride = loader.group_stride()
                at = index.add(loader.base, index.mul(step, stride))
                right += [instruction.load_rhs(loader.flat, index.add(at, part * instruction.lanes * group)) for part in range(parts)]
                if schedule.prefetch_rhs and not fetches:
                    self._prefetch(loader.flat, index.add(at, index.mul(stride, schedule.prefetch_rhs)), parts * instruction.lanes * group)
            updated = list(held)
            column = index.mul(step, lhs_stride)
            for i, base in enumerate(bases):
                left = instruction.load_lhs(panel.lhs.flat, index.add(base, column))
                for j, vector in enumerate(right):
                    at = i * sides * parts + j
                    updated[at] = instruction.accumulate(left, vector, updated[at])
            return updated

        requests = panel.requests if fetches else ()
        count = len(accumulators)

        def steps(step: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            positions = [request.emit(index, position) for request, position in zip(requests, held[count:], strict=True)]
            sums = held[:count]
            for offset in range(schedule.unroll):
                sums = one_step(index.add(step, offset), sums)
            return [*sums, *index.values(positions)]

        first, end = index.div(panel.first, group), index.ceildiv(panel.end, group)
        whole = index.add(first, index.mul(index.div(index.sub(end, first), schedule.unroll), schedule.unroll))
        starts = index.values([request.start for request in requests])
        held = for_loop(index, first, whole, schedule.unroll, steps, [*accumulators, *starts])[:count]
        return held if whole == end else for_loop(index, whole, end, 1, one_step, held)

    def store(self, accumulators: Accumulators, tile: TileMemory) -> None:
        for at, value in enumerate(_flatten(accumulators)):
            tile.flat.store_vector(value, self._index.add(tile.offset, at * self._instruction.lanes))

    def _load(self, kept: TileMemory, rows: int, sides: int) -> Accumulators:
        lanes = self._instruction.lanes
        count = rows * sides * self._parts
        return self._nest([kept.flat.load_vector(self._index.add(kept.offset, at * lanes), lanes) for at in range(count)], rows, sides)

    def _prefetch(self, flat: Flat, offset: Index, elements: int) -> None:
        for start in range(0, elements, LINE // flat.element_bytes):
            flat.prefetch(self._index.add(offset, start), locality=LOCALITY[self._schedule.prefetch_level])

    def _nest(self, vectors: Sequence[ir.Value], rows: int, sides: int) -> Accumulators:
        parts = self._parts
        return [[list(vectors[(i * sides + s) * parts : (i * sides + s + 1) * parts]) for s in range(sides)] for i in range(rows)]


def _flatten(accumulators: Accumulators) -> list[ir.Value]:
    return [v for row in accumulators for side in row for v in side]
