"""Seam 1, the loops: units of work, blocks of k and row tiles, for a CPU.

A unit is one batch element, one block of rows and one panel of columns; panels are the fastest index, so that a thread's
neighbouring units share their rows, which stay in the second-level cache while panels stream by. Rows are split into equal blocks
whatever their number, so that threads get equal work. Within a unit the row tiles run over the panel, or, where k is split, over one
block of k of the panel after the other, so that what they read again stays in the first-level cache; sums wait in memory between blocks.

Every sum is taken in the order of k, whatever the blocks: a result does not depend on which tile computed it, or which thread.
After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Dim, ceildiv, product, simplify_dim, to_expr
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.epilogue import EpilogueStore
from tilewright.lowering.templates.matmul.lhs_loaders import LhsLoader
from tilewright.lowering.templates.matmul.micro_kernel import MicroKernel, Panel, TileMemory
from tilewright.lowering.templates.matmul.problem import Columns, MatmulProblem
from tilewright.lowering.templates.matmul.rhs_loaders import RhsLoader
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul import MatmulSchedule


@dataclass(frozen=True)
class Buffers:
    """What a range of columns reads and writes."""

    rhs: Sequence[Flat]
    operands: Sequence[Flat]
    results: Sequence[Flat]


@dataclass(frozen=True)
class ColumnRange:
    """A range of columns with what computes it, or several that differ in their buffers alone: these share their code.

    `buffers` are those of each range. `tile` is scratch for the accumulators of a tile (of all rows of a block where k is split); None
    where they go from registers into the epilogue.
    """

    columns: Columns
    buffers: Sequence[Buffers]
    rhs: Sequence[RhsLoader]
    store: EpilogueStore
    tile: Flat | None

    def choose(self, index: IndexMath, number: Index) -> None:
        """Let loaders and epilogue work on the buffers of range `number` from here on."""
        chosen = self.buffers[0]
        for position, other in enumerate(self.buffers[1:], 1):
            here = index.compare("eq", number, position)
            chosen = Buffers(
                *(
                    [_select(here, new, old) for new, old in zip(news, olds, strict=True)]
                    for news, olds in ((other.rhs, chosen.rhs), (other.operands, chosen.operands), (other.results, chosen.results))
                )
            )
        for loader, source in zip(self.rhs, chosen.rhs, strict=True):
            loader.use(source)
        self.store.use(chosen.operands, chosen.results)


def _select(condition: ir.Value, then: Flat, otherwise: Flat) -> Flat:
    """One of two buffers of one type."""
    same = then.memref == otherwise.memref
    return then if same else Flat(arith.select(condition, then.memref, otherwise.memref), then.dtype, then.index)


@dataclass
class MatmulLoops:
    """Emits the loops of one kernel around its loaders, micro-kernel and epilogues."""

    problem: MatmulProblem
    schedule: MatmulSchedule
    index: IndexMath
    kernel: MicroKernel
    lhs: LhsLoader
    ranges: Sequence[ColumnRange]

    def emit(self, lo: ir.Value, hi: ir.Value) -> None:
        """The units `lo <= unit < hi`."""
        index, problem = self.index, self.problem
        sizes = [index.dim(s) for s in problem.batch]
        rows = index.dim(problem.m)
        blocks = index.max(index.dim(row_blocks(problem, self.schedule)), 1)
        panels = index.dim(panel_count(problem, self.schedule))
        block_rows = index.round_up(index.ceildiv(rows, blocks), self.schedule.mr) if blocks != 1 else rows

        def unit(number: ir.Value, previous: list[ir.Value]) -> Sequence[ir.Value]:
            *batch, block, panel = index.delinearize(number, [*sizes, blocks, panels])
            group = index.div(number, panels)
            first = index.mul(block, block_rows)
            end = index.min(index.add(first, block_rows), rows) if blocks != 1 else rows
            self.lhs.begin(batch, first, end, index.compare("ne", group, previous[0]))
            self.kernel.begin_block(index.sub(end, first))
            self._panel(list(self.ranges), batch, panel, first, end)
            return [index.value(group)]

        self.kernel.begin()
        for_loop(index, lo, hi, 1, unit, [arith.constant(index.type, -1)])
        self.kernel.end()

    def _panel(self, ranges: list[ColumnRange], batch: Sequence[Index], panel: Index, first: Index, end: Index) -> None:
        """Panel number `panel` of `ranges`: of the first of these that has so many, the others' come behind."""
        index, (columns, *others) = self.index, ranges
        alike = len(columns.buffers)
        each = index.dim(ceildiv(columns.columns.n, self.schedule.nr))
        count = index.mul(each, alike)

        def here() -> None:
            own = panel
            if alike > 1:
                columns.choose(index, index.div(panel, each))
                own = index.rem(panel, each)
            for loader in columns.rhs:
                loader.begin(batch, own)
            columns.store.begin(batch, own)
            self._blocks_of_k(columns, first, end)

        if others:
            behind = index.sub(panel, count)
            if_else(index.compare("lt", panel, count), here, lambda: self._panel(others, batch, behind, first, end))
        else:
            here()

    def _blocks_of_k(self, columns: ColumnRange, first: Index, end: Index) -> None:
        index = self.index
        k, size = index.dim(self.problem.k), self.schedule.k_block
        if not splits_k(self.problem, self.schedule):
            self._row_tiles(columns, Panel(self.lhs, columns.rhs, 0, k), first, end, None, None)
            return

        def block(start: ir.Value, _: list[ir.Value]) -> None:
            stop = index.min(index.add(start, size), k)
            panel = Panel(self.lhs, columns.rhs, start, stop)
            self._row_tiles(columns, panel, first, end, index.compare("eq", start, 0), index.compare("eq", stop, k))

        for_loop(index, 0, k, size, block)

    def _row_tiles(
        self, columns: ColumnRange, panel: Panel, first: Index, end: Index, is_first: ir.Value | None, is_last: ir.Value | None
    ) -> None:
        """The tiles of rows `first <= m < end`: full ones, then what is left by the next smaller micro-kernel that covers it.

        A tile that would reach past the end starts earlier instead and computes some rows again, to equal values: rows keep constant
        distances, which take one address register instead of one per row. Where k is split, sums wait in memory by tile, not by row,
        so that rows which two tiles share are not added up twice.
        """
        index, heights = self.index, self.kernel.heights
        mr, smaller = heights[0], heights[1:] or [heights[0]]
        rows = index.sub(end, first)
        full = index.div(rows, mr)
        left = index.sub(rows, index.mul(full, mr))
        # More rows left than the next micro-kernel takes: one more full tile, if there are rows enough to start it earlier.
        extra: Index = 0
        if isinstance(rows, int):
            extra = int(isinstance(left, int) and isinstance(full, int) and left > smaller[0] and full > 0)
        elif mr > 1:
            some = index.compare("gt", index.mul(index.min(full, 1), left), smaller[0])
            extra = index.select(some, 1, 0)
        tall = index.add(full, extra)
        left = index.max(index.sub(rows, index.mul(tall, mr)), 0)
        covering = index.min(smaller[-1], rows) if self.kernel.takes_fewer_rows else self._height(left, smaller, rows)
        short = index.ceildiv(left, index.max(covering, 1))
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
            usable = [h for h in heights if not isinstance(rows, int) or h <= max(rows, heights[-1])]
            self._one_tile(columns, panel, held[0], held[1], usable, number, is_first, is_last)
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

    def _one_tile(
        self,
        columns: ColumnRange,
        panel: Panel,
        row: Index,
        height: Index,
        heights: Sequence[int],
        number: Index,
        is_first: ir.Value | None,
        is_last: ir.Value | None,
    ) -> None:
        """The tile of `height` rows from `row`, the `number`-th of its block."""
        index, kernel, store = self.index, self.kernel, columns.store
        sides = len(columns.rhs)
        direct = kernel.in_registers and store.in_registers
        memory = None
        if columns.tile is not None:
            slot = 0 if is_first is None else index.mul(number, self.schedule.mr * sides * self.schedule.nr)
            memory = TileMemory(columns.tile, slot)

        def compute(rows: int) -> Callable[[], None]:
            def run() -> None:
                places = [index.add(row, i) for i in range(rows)]
                if self.schedule.prefetch_results:
                    store.prefetch_rows(places)
                kept = memory if is_first is not None else None
                accumulators = kernel.accumulate(panel, places, kernel.start(panel, rows, kept, is_first))
                if memory is None:
                    store.store_registers(accumulators, places)
                elif direct and is_last is not None:
                    waiting = memory
                    if_else(is_last, lambda: store.store_registers(accumulators, places), lambda: kernel.store(accumulators, waiting))
                else:
                    kernel.store(accumulators, memory)

            return run

        def choose(candidates: Sequence[int]) -> None:
            tallest, *others = candidates
            if others:
                if_else(index.compare("ge", height, tallest), compute(tallest), lambda: choose(others))
            else:
                compute(tallest)()

        choose(heights)
        if memory is None or direct:
            return
        finished = memory
        if is_last is None:
            store.store_tile(finished, row, height)
        else:
            if_else(is_last, lambda: store.store_tile(finished, row, height))


def splits_k(problem: MatmulProblem, schedule: MatmulSchedule) -> bool:
    """Whether k is worked off in several blocks."""
    k = problem.k
    return schedule.k_block > 0 and not (isinstance(k, int) and k <= schedule.k_block)


def row_blocks(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Into how many blocks the rows are split."""
    return ceildiv(problem.m, schedule.mb)


def panel_count(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Panels of all column ranges."""
    total: Dim = 0
    for columns in problem.columns:
        total = simplify_dim(to_expr(total) + ceildiv(columns.n, schedule.nr))
    return total


def unit_count(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Independent units of work of the kernel."""
    return product([*problem.batch, row_blocks(problem, schedule), panel_count(problem, schedule)])
