"""The micro-kernel of instructions that multiply two rows by two columns at once (bfmmla, smmla of AArch64).

A register of 128 bits holds the same `group` neighbours along k of two rows (or of two columns), an accumulator the block of two rows
by two columns. The blocks are taken apart when a tile is complete, or when its sums go to memory, so that all else sees rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir, vector
from tilewright.dialects.tw.types import element_type
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.instructions.vector_instruction import call_intrinsic
from tilewright.lowering.templates.matmul.micro_kernel import MicroKernel, Panel, TileMemory
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.matmul_instructions import OperandLayout

LANES = 4
"""Of an accumulator."""
INTRINSICS = {"bfmmla": "llvm.aarch64.neon.bfmmla", "smmla": "llvm.aarch64.neon.smmla.v4i32.v16i8"}

Rows = list[list[list[ir.Value]]]
"""Vectors `[row][right side][vector]`."""
Blocks = list[list[list[ir.Value]]]
"""Vectors `[pair of rows][right side][pair of columns]`, each `[row][column]` of a block."""


class PairKernel(MicroKernel):
    """Outer products of pairs of rows and pairs of columns. A tile with an odd number of rows computes its last row twice."""

    def __init__(self, layout: OperandLayout, schedule: MatmulSchedule, index: IndexMath) -> None:
        self.layout, self._schedule, self._index = layout, schedule, index
        self._intrinsic = INTRINSICS[schedule.instruction]

    @property
    def lanes(self) -> int:
        return LANES

    @property
    def heights(self) -> list[int]:
        """`mr` and the powers of two below it."""
        mr = self._schedule.mr
        return [mr, *(1 << power for power in reversed(range(mr.bit_length())) if 1 << power < mr)]

    def begin(self) -> None:
        """Nothing to prepare."""

    def end(self) -> None:
        """Nothing to give back."""

    def start(self, panel: Panel, rows: int, kept: TileMemory | None, fresh: ir.Value | None) -> Rows:
        held = ir.VectorType.get([LANES], element_type(self.layout.acc))
        is_float = self.layout.acc.startswith("f")
        zero = ir.FloatAttr.get(held.element_type, 0.0) if is_float else ir.IntegerAttr.get(held.element_type, 0)
        splat = arith.constant(held, ir.DenseElementsAttr.get_splat(held, zero))
        sides, parts = len(panel.rhs), self._schedule.nr // LANES
        zeros = [splat] * (rows * sides * parts)
        if kept is None:
            return _nest(zeros, sides, parts)

        def load() -> list[ir.Value]:
            return [kept.flat.load_vector(self._index.add(kept.offset, at * LANES), LANES) for at in range(len(zeros))]

        return _nest(load() if fresh is None else if_else(fresh, lambda: zeros, load, [held] * len(zeros)), sides, parts)

    def accumulate(self, panel: Panel, rows: Sequence[Index], accumulators: Rows) -> Rows:
        index, group = self._index, self.layout.group
        pairs = [(rows[i], rows[min(i + 1, len(rows) - 1)]) for i in range(0, len(rows), 2)]
        bases = [tuple(panel.lhs.row_base(row) for row in pair) for pair in pairs]
        columns, sides = self._schedule.nr // 2, len(panel.rhs)
        blocks = _join_rows(accumulators)

        def step(number: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            column = index.mul(number, index.mul(panel.lhs.k_stride(), group))
            left = [self._two(panel.lhs.flat, [index.add(base, column) for base in pair]) for pair in bases]
            updated = list(held)
            for side, loader in enumerate(panel.rhs):
                at = index.add(loader.base, index.mul(number, loader.group_stride()))
                for j in range(columns):
                    right = loader.flat.load_vector(index.add(at, j * 2 * group), 2 * group)
                    for i, value in enumerate(left):
                        place = (i * sides + side) * columns + j
                        updated[place] = call_intrinsic(updated[place].type, self._intrinsic, [updated[place], value, right])
            return updated

        first, end = index.div(panel.first, group), index.ceildiv(panel.end, group)
        flat = [v for pair in blocks for side in pair for v in side]
        return _split_rows(_nest(for_loop(index, first, end, 1, step, flat), sides, columns), len(rows))

    def store(self, accumulators: Rows, tile: TileMemory) -> None:
        for at, value in enumerate(v for row in accumulators for side in row for v in side):
            tile.flat.store_vector(value, self._index.add(tile.offset, at * LANES))

    def _two(self, flat: Flat, offsets: Sequence[Index]) -> ir.Value:
        """The groups of two rows in one register."""
        group = self.layout.group
        first, second = (flat.load_vector(offset, group) for offset in offsets)
        return vector.shuffle(first, second, list(range(2 * group)))


def _nest(vectors: Sequence[ir.Value], sides: int, parts: int) -> list[list[list[ir.Value]]]:
    """Into `[row][right side][vector]`."""
    rows = len(vectors) // (sides * parts)
    return [[list(vectors[(i * sides + s) * parts : (i * sides + s + 1) * parts]) for s in range(sides)] for i in range(rows)]


def _join_rows(rows: Rows) -> Blocks:
    blocks: Blocks = []
    for i in range(0, len(rows), 2):
        below = rows[min(i + 1, len(rows) - 1)]
        blocks.append(
            [
                [vector.shuffle(a, b, lanes) for a, b in zip(upper, lower, strict=True) for lanes in ([0, 1, 4, 5], [2, 3, 6, 7])]
                for upper, lower in zip(rows[i], below, strict=True)
            ]
        )
    return blocks


def _split_rows(blocks: Blocks, rows: int) -> Rows:
    split: Rows = []
    for pair in blocks:
        for lanes in ([0, 1, 4, 5], [2, 3, 6, 7]):
            split.append([[vector.shuffle(s[j], s[j + 1], lanes) for j in range(0, len(s), 2)] for s in pair])
    return split[:rows]
