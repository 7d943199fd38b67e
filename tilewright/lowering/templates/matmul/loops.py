"""Seam 1, the loops: units of work, row tiles, and the micro-kernel's loop over k, for a CPU.

A unit is one batch element, one block of rows and one panel of columns; panels are the fastest index, so that a thread's
neighbouring units share their rows, which stay in the second-level cache while panels stream by. Rows are split into equal blocks
whatever their number, so that threads get equal work. Within a unit the row tiles run over the panel.

The loop over k is never split: accumulators stay in registers from the first product to the epilogue, and a result does not
depend on which tile computed it. After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Dim, ceildiv, product
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.epilogue import EpilogueStore
from tilewright.lowering.templates.matmul.instruction import OuterProduct
from tilewright.lowering.templates.matmul.lhs_loaders import LhsLoader
from tilewright.lowering.templates.matmul.problem import MatmulProblem
from tilewright.lowering.templates.matmul.rhs_loaders import RhsLoader
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul import MatmulSchedule


@dataclass
class MatmulLoops:
    """Emits the loops of one kernel around its loaders, instruction and epilogue. `tile` is scratch for `[mr][nr]` floats."""

    problem: MatmulProblem
    schedule: MatmulSchedule
    index: IndexMath
    instruction: OuterProduct
    lhs: LhsLoader
    rhs: RhsLoader
    store: EpilogueStore
    tile: Flat | None

    def emit(self, lo: ir.Value, hi: ir.Value) -> None:
        """The units `lo <= unit < hi`."""
        index, problem = self.index, self.problem
        sizes = [index.dim(s) for s in problem.batch]
        rows = index.dim(problem.m)
        blocks = index.max(index.dim(row_blocks(problem, self.schedule)), 1)
        panels = index.dim(ceildiv(problem.n, self.schedule.nr))
        block_rows = index.round_up(index.ceildiv(rows, blocks), self.schedule.mr) if blocks != 1 else rows

        def unit(number: ir.Value, previous: list[ir.Value]) -> Sequence[ir.Value]:
            *batch, block, panel = index.delinearize(number, [*sizes, blocks, panels])
            group = index.div(number, panels)
            first = index.mul(block, block_rows)
            end = index.min(index.add(first, block_rows), rows) if blocks != 1 else rows
            self.lhs.begin(batch, first, end, index.compare("ne", group, previous[0]))
            self.rhs.begin(batch, panel)
            self.store.begin(batch, panel)
            self._row_tiles(first, end)
            return [index.value(group)]

        none_yet = arith.constant(index.type, -1)
        for_loop(index, lo, hi, 1, unit, [none_yet])

    def _row_tiles(self, first: Index, end: Index) -> None:
        """The tiles of rows `first <= m < end`: full ones, then what is left by the next smaller micro-kernel that covers it.

        A tile that would reach past the end starts earlier instead and computes some rows again, to equal values: rows keep constant
        distances, which take one address register instead of one per row.
        """
        index, mr = self.index, self.schedule.mr
        heights = tile_heights(mr)
        smaller = heights[1:] or [1]
        rows = index.sub(end, first)
        full = index.div(rows, mr)
        left = index.sub(rows, index.mul(full, mr))
        # More rows left than the next micro-kernel takes: one more full tile, if there are rows enough to start it earlier.
        extra = 0
        if isinstance(rows, int):
            extra = int(left > smaller[0] and full > 0)
        elif mr > 1:
            some = index.compare("gt", index.mul(index.min(full, 1), left), smaller[0])
            extra = index.select(some, 1, 0)
        tall = index.add(full, extra)
        left = index.max(index.sub(rows, index.mul(tall, mr)), 0)
        covering = self._height(left, smaller, rows)
        short = index.ceildiv(left, covering)
        tail_first = index.add(first, index.mul(tall, mr))

        def place(number: Index) -> list[ir.Value]:
            """First row and height of a tile."""
            is_tall = index.compare("lt", number, tall)
            height = index.select(is_tall, mr, covering)
            start = index.select(is_tall, first, tail_first)
            steps = index.select(is_tall, number, index.sub(number, tall))
            row = index.min(index.add(start, index.mul(steps, height)), index.sub(end, height))
            return index.values([row, height])

        def tile(number: ir.Value, held: list[ir.Value]) -> list[ir.Value]:
            self._one_tile(held[0], held[1], [h for h in heights if not isinstance(rows, int) or h <= max(rows, 1)])
            return place(index.add(number, 1))

        # The place is carried from tile to tile, which hides its minimum and selects from LLVM's loop strength reduction: that would
        # compute them again for every row in the loop over k.
        for_loop(index, 0, index.add(tall, short), 1, tile, place(0))

    def _height(self, left: Index, heights: Sequence[int], rows: Index) -> Index:
        """The smallest of `heights` that covers `left` rows and that the block has rows for; else the largest it has rows for."""
        index = self.index
        chosen: Index = heights[0]
        for height in heights[1:]:
            enough = index.compare("le", left, height)
            too_tall = index.compare("lt", rows, chosen)
            chosen = index.select(arith.ori(enough, too_tall), height, chosen)
        return chosen

    def _one_tile(self, row: Index, height: Index, heights: Sequence[int]) -> None:
        """The tile of `height` rows from `row`."""
        index = self.index

        def compute(rows: int) -> Callable[[], None]:
            def run() -> None:
                places = [index.add(row, i) for i in range(rows)]
                accumulators = self._accumulate(places)
                if self.tile is None:
                    self.store.store_registers(accumulators, places)
                else:
                    self._spill(accumulators, self.tile)

            return run

        def choose(candidates: Sequence[int]) -> None:
            tallest, *others = candidates
            if others:
                if_else(index.compare("eq", height, tallest), compute(tallest), lambda: choose(others))
            else:
                compute(tallest)()

        choose(heights)
        if self.tile is not None:
            self.store.store_tile(self.tile, row, height)

    def _accumulate(self, rows: Sequence[Index]) -> list[list[ir.Value]]:
        """The products of `rows` with the panel, `[row][vector]`."""
        index, instruction, lanes = self.index, self.instruction, self.instruction.lanes
        parts = self.schedule.nr // lanes
        lhs_stride, rhs_stride = self.lhs.k_stride(), self.rhs.k_stride()
        bases = [self.lhs.row_base(row) for row in rows]
        if self.schedule.prefetch_results:
            self.store.prefetch_rows(rows)
        unroll = self.schedule.unroll
        depth = index.dim(self.problem.k)

        def one_step(k: Index, accumulators: list[ir.Value]) -> list[ir.Value]:
            panel_row = index.add(self.rhs.base, index.mul(k, rhs_stride))
            right = [self.rhs.flat.load_vector(index.add(panel_row, part * lanes), lanes) for part in range(parts)]
            if self.schedule.prefetch_rhs:
                ahead = index.add(panel_row, index.mul(rhs_stride, self.schedule.prefetch_rhs))
                for part in range(0, parts * lanes, 16):
                    self.rhs.flat.prefetch(index.add(ahead, part), locality=2)
            updated = list(accumulators)
            column = index.mul(k, lhs_stride)
            for i, base in enumerate(bases):
                left = instruction.broadcast(self.lhs.flat.load(index.add(base, column)))
                for part in range(parts):
                    at = i * parts + part
                    updated[at] = instruction.accumulate(left, right[part], updated[at])
            return updated

        def steps(k: ir.Value, accumulators: list[ir.Value]) -> list[ir.Value]:
            for offset in range(unroll):
                accumulators = one_step(index.add(k, offset), accumulators)
            return accumulators

        zero = instruction.zero()
        accumulators = [zero] * (len(rows) * parts)
        whole = index.mul(index.div(depth, unroll), unroll)
        accumulators = for_loop(index, 0, whole, unroll, steps, accumulators)
        if whole != depth:
            accumulators = for_loop(index, whole, depth, 1, lambda k, held: one_step(k, held), accumulators)
        return [accumulators[i * parts : (i + 1) * parts] for i in range(len(rows))]

    def _spill(self, accumulators: Sequence[Sequence[ir.Value]], tile: Flat) -> None:
        lanes, nr = self.instruction.lanes, self.schedule.nr
        for i, vectors in enumerate(accumulators):
            for part, value in enumerate(vectors):
                tile.store_vector(value, i * nr + part * lanes)


def tile_heights(mr: int) -> list[int]:
    """Heights of the micro-kernels: `mr` and the powers of two below it, tallest first."""
    return [mr, *(1 << power for power in reversed(range(mr.bit_length())) if 1 << power < mr)]


def row_blocks(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Into how many blocks the rows are split."""
    return ceildiv(problem.m, schedule.mb)


def unit_count(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Independent units of work of the kernel."""
    return product([*problem.batch, row_blocks(problem, schedule), ceildiv(problem.n, schedule.nr)])
