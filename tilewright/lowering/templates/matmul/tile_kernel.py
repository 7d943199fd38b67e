"""The micro-kernel of AMX: accumulators are two-dimensional tile registers, which instructions name by number.

A tile holds 16 rows of 64 bytes. Two tiles of rows meet two tiles of columns (of one or of two right sides), so that each loaded tile
is multiplied twice: four accumulators, two tiles of the left side, two of the right one, all eight registers. Where rows are few, one
tile of them meets up to four of columns. The left side is read where its rows are, the right one from panels in which groups of 32 bits
along k lie side by side. Accumulators leave through memory. Tiles are configured to fewer rows where a block has fewer: no row beyond
the last is read.

Registers are fixed here, not by LLVM: the intrinsics with explicit registers keep their order, and nothing is spilled. After "Intel
Architecture Instruction Set Extensions Programming Reference", chapter on Advanced Matrix Extensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, llvm, memref
from tilewright.lowering.templates.control import for_loop, if_else
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.micro_kernel import MicroKernel, Panel, Request, TileMemory
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.matmul_instructions import OperandLayout
from tilewright.targets import MatrixInstruction

TILE_ROWS = 16
TILE_BYTES = 64
CONFIGURATION_BYTES = 64
_PALETTE, _COLUMN_BYTES, _ROWS = 0, 16, 48
"""Offsets in the tile configuration: the palette, bytes per row of each tile (16 bits each), rows of each tile (8 bits each)."""
_TILES = 8
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
        self._record, self._schedule, self._index, self._configuration = record, schedule, index, configuration
        self._column_tiles = schedule.nr // record.n
        self.request_interval = record.k // layout.group
        self._right = list(range(_LEFT + schedule.mr // TILE_ROWS, _TILES))
        self._i8, self._i64 = (ir.IntegerType.get_signless(bits) for bits in (8, 64))
        self._pointer = ir.Type.parse("!llvm.ptr")

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
        for tile in range(_TILES):
            self._write(_COLUMN_BYTES + 2 * tile, TILE_BYTES)
            self._write(_COLUMN_BYTES + 2 * tile + 1, 0)
            self._write(_ROWS + tile, TILE_ROWS)
        self._write(_PALETTE, 1)
        for at in (
            *range(_PALETTE + 1, _COLUMN_BYTES),
            *range(_COLUMN_BYTES + 2 * _TILES, _ROWS),
            *range(_ROWS + _TILES, CONFIGURATION_BYTES),
        ):
            self._write(at, 0)

    def begin_block(self, rows: Index) -> None:
        """Configure the tiles of rows for a block of `rows`."""
        index = self._index
        height = index.value(index.min(rows, TILE_ROWS))
        value = arith.index_cast(self._i8, height)
        for tile in range(self._right[0]):
            self._configuration.store(value, _ROWS + tile)
        self._call("ldtilecfg", [self._address(self._configuration, 0)])

    def end(self) -> None:
        self._call("tilerelease", [])

    def start(self, panel: Panel, rows: int, kept: TileMemory | None, fresh: ir.Value | None) -> Tiles:
        sides = len(panel.rhs)
        tiles = Tiles(rows, sides, rows // TILE_ROWS * sides * self._column_tiles)

        def zeros() -> None:
            for number in range(tiles.count):
                self._call("tilezero", [self._immediate(number)])

        def load() -> None:
            assert kept is not None
            for number, (address, stride) in enumerate(self._places(tiles, kept)):
                self._call("tileloadd64", [self._immediate(number), address, stride])

        if kept is None:
            zeros()
        elif fresh is None:
            load()
        else:
            if_else(fresh, zeros, load)
        return tiles

    def accumulate(self, panel: Panel, rows: Sequence[Index], accumulators: Tiles) -> Tiles:
        index, record, schedule = self._index, self._record, self._schedule
        lhs = panel.lhs.flat
        bytes_of = lhs.element_bytes
        row_tiles = len(rows) // TILE_ROWS
        bases = [panel.lhs.row_base(rows[tile * TILE_ROWS]) for tile in range(row_tiles)]
        row_stride = self._stride(index.mul(panel.lhs.row_stride(), bytes_of))
        panel_stride = self._stride(schedule.nr * 4)
        groups = record.k * bytes_of // 4
        columns = [(loader, tile) for loader in panel.rhs for tile in range(self._column_tiles)]

        # What is read once goes by the load that asks for little room in the caches: the rows where panels are read by many tiles of
        # them, the panel where there is one tile of rows.
        load_rows, load_columns = ("tileloaddt164", "tileloadd64") if schedule.mr > TILE_ROWS else ("tileloadd64", "tileloaddt164")

        def load_left(tile: int, k: Index) -> None:
            self._call(load_rows, [self._immediate(_LEFT + tile), self._address(lhs, index.add(bases[tile], k)), row_stride])

        def multiply(tile: int, place: int) -> None:
            registers = (tile * len(columns) + place, _LEFT + tile, self._right[place % len(self._right)])
            self._call(record.name, [self._immediate(number) for number in registers])

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
                self._call(load_columns, [self._immediate(number), self._address(loader.flat, at), panel_stride])
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
        for number, (address, stride) in enumerate(self._places(accumulators, tile)):
            self._call("tilestored64", [self._immediate(number), address, stride])

    def _places(self, tiles: Tiles, memory: TileMemory) -> list[tuple[ir.Value, ir.Value]]:
        """Address and stride of each accumulator in memory, `[rows][sides][width]`."""
        index, nr, sides = self._index, memory.width, tiles.sides
        stride = self._stride(sides * nr * memory.flat.element_bytes)
        offsets = [
            tile * TILE_ROWS * sides * nr + side * nr + column * self._record.n
            for tile in range(tiles.rows // TILE_ROWS)
            for side in range(sides)
            for column in range(self._column_tiles)
        ]
        return [(self._address(memory.flat, index.add(memory.offset, offset)), stride) for offset in offsets]

    def _write(self, offset: int, value: int) -> None:
        self._configuration.store(arith.constant(self._i8, value), offset)

    def _immediate(self, number: int) -> ir.Value:
        return llvm.mlir_constant(ir.IntegerAttr.get(self._i8, number))

    def _stride(self, nbytes: Index) -> ir.Value:
        return arith.index_cast(self._i64, self._index.value(nbytes))

    def _address(self, flat: Flat, offset: Index) -> ir.Value:
        index = self._index
        start = memref.extract_aligned_pointer_as_index(flat.memref)
        address = index.add(start, index.mul(offset, flat.element_bytes))
        return llvm.inttoptr(self._pointer, arith.index_cast(self._i64, index.value(address)))

    def _call(self, name: str, arguments: Sequence[ir.Value]) -> None:
        llvm.call_intrinsic(None, f"llvm.x86.{name}", list(arguments), [], [])
