"""Seam 1, the loops: units of work, panels and blocks of k, for a CPU. `row_tiles` runs over the rows of a chunk of them.

A unit is one batch element, one block of rows and a group of panels of columns, often one panel; groups are the fastest index, so that a
thread's neighbouring units share their rows, which stay in the second-level cache while panels stream by. Rows are split into equal
blocks whatever their number, and panels into equal groups, so that threads get equal work. Within a unit one panel is worked off after
the other. Where k is split, all panels of a group are worked off over one block of k before the next: the rows, which every panel
multiplies, stay near that way, and sums wait in scratch.

While its tiles compute, a chunk has the next one fetched, a share by each tile: at their first use panels would have to wait for memory.

Every sum is taken in the order of k, whatever the blocks: a result does not depend on which tile computed it, or which thread.
After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Dim, ceildiv, product, simplify_dim, to_expr
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.column_range import ColumnRange
from tilewright.lowering.templates.matmul.lhs_loaders import LhsLoader
from tilewright.lowering.templates.matmul.micro_kernel import MicroKernel, Panel
from tilewright.lowering.templates.matmul.problem import Columns, MatmulProblem
from tilewright.lowering.templates.matmul.row_tiles import Chunk, RowTiles
from tilewright.passes.schedules.matmul import MatmulSchedule


@dataclass(frozen=True)
class _Unit:
    """A batch element, a block of rows and the panels `first_panel <= panel < end_panel` of a range of columns."""

    batch: Sequence[Index]
    first_row: Index
    rows: Index
    first_panel: Index = 0
    end_panel: Index = 0


@dataclass(frozen=True)
class _Part:
    """The part `first <= k < end` of k; where k is split, whether it is the first and the last one."""

    first: Index
    end: Index
    is_first: ir.Value | None = None
    is_last: ir.Value | None = None


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
        groups = index.dim(group_count(problem, self.schedule))
        tiles = index.ceildiv(rows, self.schedule.mr)

        def unit(number: ir.Value, previous: list[ir.Value]) -> Sequence[ir.Value]:
            *batch, block, group = index.delinearize(number, [*sizes, blocks, groups])
            shared = index.div(number, groups)
            first, end, count = self._rows(block, blocks, tiles, rows)
            self.lhs.begin(batch, first, end, index.compare("ne", shared, previous[0]))
            self.kernel.begin_block(count)
            self._group(list(self.ranges), _Unit(batch, first, count), group)
            return [index.value(shared)]

        self.kernel.begin()
        for_loop(index, lo, hi, 1, unit, [arith.constant(index.type, -1)])
        self.kernel.end()

    def _rows(self, block: Index, blocks: Index, tiles: Index, rows: Index) -> tuple[Index, Index, Index]:
        """The first row of a block, the one behind its last, and how many they are. Blocks differ by one tile at most."""
        index, mr = self.index, self.schedule.mr
        if blocks == 1:
            return 0, rows, rows
        if isinstance(rows, int) and isinstance(blocks, int) and rows % (blocks * mr) == 0:
            first = index.mul(block, rows // blocks)
            return first, index.add(first, rows // blocks), rows // blocks
        first, end = (index.mul(index.div(index.mul(at, tiles), blocks), mr) for at in (block, index.add(block, 1)))
        end = index.min(end, rows)
        return first, end, index.sub(end, first)

    def _group(self, ranges: list[ColumnRange], unit: _Unit, group: Index) -> None:
        """Group number `group` of `ranges`: of the first of these that has so many, the others' come behind."""
        index, (columns, *others) = self.index, ranges
        alike = len(columns.buffers)
        panels, each = index.dim(panel_count(columns.columns, self.schedule)), index.dim(_groups(columns.columns, self.schedule))
        count = index.mul(each, alike)

        def here() -> None:
            own = group
            if alike > 1:
                columns.choose(index, index.div(group, each))
                own = index.rem(group, each)
            first, end = own, index.add(own, 1)
            if self.schedule.panels > 1:  # Groups differ by one panel at most.
                first, end = (index.div(index.mul(at, panels), each) for at in (first, end))
            self._parts(columns, replace(unit, first_panel=first, end_panel=end))

        if others:
            behind = index.sub(group, count)
            if_else(index.compare("lt", group, count), here, lambda: self._group(others, unit, behind))
        else:
            here()

    def _parts(self, columns: ColumnRange, unit: _Unit) -> None:
        """The blocks of k of a unit, and its panels in each of them; the other way around where panels are packed at run time."""
        index, k, size = self.index, self.index.dim(self.problem.k), self.schedule.k_block

        def blocks(body: Callable[[_Part], None]) -> None:
            def block(start: ir.Value, _: list[ir.Value]) -> None:
                stop = index.min(index.add(start, size), k)
                body(_Part(start, stop, index.compare("eq", start, 0), index.compare("eq", stop, k)))

            if splits_k(self.problem, self.schedule):
                for_loop(index, 0, index.max(k, 1), size, block)  # Sums of nothing are results, too.
            else:
                body(_Part(0, k))

        if columns.keeps_panels:
            blocks(lambda part: self._panels(columns, unit, lambda tiles, panel: self._chunk(tiles, unit, panel, part)))
        else:
            self._panels(columns, unit, lambda tiles, panel: blocks(lambda part: self._chunk(tiles, unit, panel, part)))

    def _panels(self, columns: ColumnRange, unit: _Unit, body: Callable[[RowTiles, Index], None]) -> None:
        """`body(tiles, panel)` for each panel of a unit, which is prepared. The last panel of a range may have fewer columns."""
        index, nr, n = self.index, self.schedule.nr, columns.columns.n
        whole, rest = divmod(n, nr) if isinstance(n, int) else (0, 0)

        def with_columns(panel: Index, count: int) -> Callable[[], None]:
            def run() -> None:
                for loader in columns.rhs:
                    loader.begin(unit.batch, panel)
                columns.store.begin(unit.batch, panel, count)
                body(RowTiles(self.schedule, index, self.kernel, columns, count), panel)

            return run

        def one(panel: Index) -> None:
            if rest == 0:
                with_columns(panel, nr)()
            elif whole == 0:
                with_columns(panel, rest)()
            else:
                if_else(index.compare("eq", panel, whole), with_columns(panel, rest), with_columns(panel, nr))

        if self.schedule.panels == 1:
            one(unit.first_panel)
        else:
            for_loop(index, unit.first_panel, unit.end_panel, 1, lambda panel, _: one(panel))

    def _chunk(self, tiles: RowTiles, unit: _Unit, panel: Index, part: _Part) -> None:
        """One panel over one part of k."""
        index, schedule, columns = self.index, self.schedule, tiles.columns
        slot: Index = 0
        if part.is_first is not None and columns.keeps_panels:
            slot = index.mul(index.sub(panel, unit.first_panel), block_sums(self.problem, schedule, columns.columns))
        following = self._following(columns, unit, panel, part) if schedule.prefetch_next else ()
        operands = Panel(self.lhs, columns.rhs, part.first, part.end)
        tiles.emit(Chunk(operands, part.is_first, part.is_last, slot, following), unit.first_row, unit.rows)

    def _following(self, columns: ColumnRange, unit: _Unit, panel: Index, part: _Part) -> list[Index]:
        """Where the chunk lies that comes next, in each right side: of the next panel, or else of the next block of k or the next group.
        Behind the last panel comes the first one, for the next block of rows. Empty where panels are not all in memory.
        """
        index = self.index
        if not columns.keeps_panels:
            return []
        count = index.dim(panel_count(columns.columns, self.schedule))
        following = index.add(panel, 1)
        around = index.select(index.compare("lt", following, count), following, 0)
        k: Index = 0
        if part.is_last is not None:
            inside = index.compare("lt", following, unit.end_panel)
            k = index.select(inside, part.first, index.select(part.is_last, 0, part.end))
            around = index.select(arith.ori(inside, part.is_last), around, unit.first_panel)
        group = self.kernel.layout.group
        return [index.add(loader.panel_offset(around), index.mul(index.div(k, group), loader.group_stride())) for loader in columns.rhs]


def splits_k(problem: MatmulProblem, schedule: MatmulSchedule) -> bool:
    """Whether k is worked off in several blocks."""
    k = problem.k
    return schedule.k_block > 0 and not (isinstance(k, int) and k <= schedule.k_block)


def row_blocks(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Into how many blocks the rows are split."""
    return ceildiv(problem.m, schedule.mb)


def panel_count(columns: Columns, schedule: MatmulSchedule) -> Dim:
    """Panels of a range of columns."""
    return ceildiv(columns.n, schedule.nr)


def _groups(columns: Columns, schedule: MatmulSchedule) -> Dim:
    """Groups of panels of a range of columns."""
    return ceildiv(panel_count(columns, schedule), schedule.panels)


def group_count(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Groups of panels of all column ranges."""
    total: Dim = 0
    for columns in problem.columns:
        total = simplify_dim(to_expr(total) + _groups(columns, schedule))
    return total


def unit_count(problem: MatmulProblem, schedule: MatmulSchedule) -> Dim:
    """Independent units of work of the kernel."""
    return product([*problem.batch, row_blocks(problem, schedule), group_count(problem, schedule)])


def block_sums(problem: MatmulProblem, schedule: MatmulSchedule, columns: Columns) -> int:
    """Sums that wait between blocks of k for one panel of a block of rows. The last tile may start early, and then has sums of its own."""
    rows = min(schedule.mb, problem.m) if isinstance(problem.m, int) else schedule.mb
    return (-(-rows // schedule.mr) + 1) * schedule.mr * len(columns.rhs) * schedule.nr
