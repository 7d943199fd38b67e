"""The micro-kernel of AMX: accumulators are two-dimensional tile registers, which instructions name by number.

A tile holds 16 rows of 64 bytes. Two tiles of rows meet two tiles of columns (of one or of two right sides), so that each loaded tile
is multiplied twice: four accumulators, two tiles of the left side, two of the right one, all eight registers. Where rows are few, one
tile of them meets up to four of columns. The left side is read where its rows are, the right one from panels in which groups of 32 bits
along k lie side by side. Accumulators leave through memory. Tiles are configured to fewer rows where a block has fewer: no row beyond
the last is read.

Registers are fixed here, not by LLVM, see `tile_registers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.micro_kernel import MicroKernel, Panel, Request, TileMemory
from tilewright.lowering.templates.memory import Flat
from tilewright.lowering.templates.tile_registers import TILE_ROWS, TILES, TileAddress, TileRegisters
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.matmul_instructions import OperandLayout
from tilewright.targets import MatrixInstruction

_LEFT = 4
"""The first register of the left side; those below accumulate, those behind its one or two hold the right side in turn."""


@dataclass(frozen=True)
class Tiles:
    """The accumulators of `rows` rows and `sides` right sides: registers `[row tile][side][column tile]` in order of their numbers."""

    rows: int
    sides: int
    count: int


class TileKernel(MicroKernel):
    """Tiles of 32 or 16 rows, of fewer rows where a block has fewer. `configuration` is scratch of `CONFIGURATION_BYTES`."""

    in_registers = False
    takes_fewer_rows = True
    fewest_requesting = 4

    def __init__(
        self, record: MatrixInstruction, layout: OperandLayout, schedule: MatmulSchedule, index: IndexMath, configuration: Flat
    ) -> None:
        self.layout = layout
        self._record, self._schedule, self._index = record, schedule, index
        self._registers = TileRegisters(index, configuration)
        self._column_tiles = schedule.nr // record.n
        self.request_interval = record.k // layout.group
        self._right = list(range(_LEFT + schedule.mr // TILE_ROWS, TILES))

    @property
    def lanes(self) -> int:
        return self._record.n

    @property
    def heights(self) -> list[int]:
        return [h for h in (2 * TILE_ROWS, TILE_ROWS) if h <= self._schedule.mr]

    @property
    def k_multiple(self) -> int:
        return self._record.k

    def begin(self) -> None:
        """Write the configuration, all but the rows."""
        self._registers.write_configuration()

    def begin_block(self, rows: Index) -> None:
        """Configure the tiles of rows for a block of `rows`."""
        self._registers.limit_rows(range(self._right[0]), self._index.min(rows, TILE_ROWS))
        self._registers.configure()

    def end(self) -> None:
        self._registers.release()

    def start(self, panel: Panel, rows: int, kept: TileMemory | None, fresh: ir.Value | None) -> Tiles:
        sides = len(panel.rhs)
        tiles = Tiles(rows, sides, rows // TILE_ROWS * sides * self._column_tiles)

        def zeros() -> None:
            for number in range(tiles.count):
                self._registers.zero(number)

        def load() -> None:
            assert kept is not None
            for number, place in enumerate(self._places(tiles, kept)):
                self._registers.load(number, place)

        if kept is None:
            zeros()
        elif fresh is None:
            load()
        else:
            if_else(fresh, zeros, load)
        return tiles

    def accumulate(self, panel: Panel, rows: Sequence[Index], accumulators: Tiles) -> Tiles:
        index, record, schedule, registers = self._index, self._record, self._schedule, self._registers
        lhs = panel.lhs.flat
        bytes_of = lhs.element_bytes
        row_tiles = len(rows) // TILE_ROWS
        bases = [panel.lhs.row_base(rows[tile * TILE_ROWS]) for tile in range(row_tiles)]
        row_stride = index.mul(panel.lhs.row_stride(), bytes_of)
        groups = record.k * bytes_of // 4
        columns = [(loader, tile) for loader in panel.rhs for tile in range(self._column_tiles)]

        # What is read once goes by the load that asks for little room in the caches: the rows where panels are read by many tiles of
        # them, the panel where there is one tile of rows.
        rows_once = schedule.mr > TILE_ROWS

        def load_left(tile: int, k: Index) -> None:
            place = TileAddress(registers.address(lhs, index.add(bases[tile], k)), row_stride)
            registers.load(_LEFT + tile, place, once=rows_once)

        def multiply(tile: int, place: int) -> None:
            registers.multiply(record.name, tile * len(columns) + place, _LEFT + tile, self._right[place % len(self._right)])

        def step(k: Index) -> None:
            load_left(0, k)
            for place, (loader, tile) in enumerate(columns):
                at = index.add(loader.base, index.mul(index.div(index.mul(k, bytes_of), 4), loader.group_stride()))
                at = index.add(at, tile * record.n * (4 // bytes_of))
                if schedule.prefetch_rhs:
                    ahead = index.add(at, index.mul(loader.group_stride(), schedule.prefetch_rhs))
                    for line in range(groups):
                        loader.flat.prefetch(index.add(ahead, index.mul(loader.group_stride(), line)), locality=3)
                number = self._right[place % len(self._right)]
                registers.load(number, TileAddress(registers.address(loader.flat, at), schedule.nr * 4), once=not rows_once)
                multiply(0, place)
            for tile in range(1, row_tiles):
                load_left(tile, k)
                for place in range(len(columns)):
                    multiply(tile, place)

        def steps(requests: Sequence[Request]) -> None:
            def body(k: ir.Value, positions: list[ir.Value]) -> list[ir.Value]:
                asked = [request.emit(index, position) for request, position in zip(requests, positions, strict=True)]
                step(k)
                return index.values(asked)

            for_loop(index, panel.first, panel.end, record.k, body, index.values([request.start for request in requests]))

        if not panel.requests or len(rows) < self.heights[0]:
            steps(())
        elif panel.fetches is None:
            steps(panel.requests)
        else:
            if_else(panel.fetches, lambda: steps(panel.requests), lambda: steps(()))
        return accumulators

    def store(self, accumulators: Tiles, tile: TileMemory) -> None:
        for number, place in enumerate(self._places(accumulators, tile)):
            self._registers.store(number, place)

    def _places(self, tiles: Tiles, memory: TileMemory) -> list[TileAddress]:
        """Address and stride of each accumulator in memory, `[rows][sides][width]`."""
        index, nr, sides = self._index, memory.width, tiles.sides
        stride = sides * nr * memory.flat.element_bytes
        offsets = [
            tile * TILE_ROWS * sides * nr + side * nr + column * self._record.n
            for tile in range(tiles.rows // TILE_ROWS)
            for side in range(sides)
            for column in range(self._column_tiles)
        ]
        return [TileAddress(self._registers.address(memory.flat, index.add(memory.offset, offset)), stride) for offset in offsets]
