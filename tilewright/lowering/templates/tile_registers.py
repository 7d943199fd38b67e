"""AMX: eight tile registers of 16 rows of 64 bytes, which instructions name by number.

Registers are fixed by who emits them, not by LLVM: the intrinsics with explicit registers keep their order, and nothing is spilled.
After "Intel Architecture Instruction Set Extensions Programming Reference", chapter on Advanced Matrix Extensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.mlir import arith, ir, llvm, memref
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat

TILES = 8
TILE_ROWS = 16
TILE_BYTES = 64
CONFIGURATION_BYTES = 64
_PALETTE, _COLUMN_BYTES, _ROWS = 0, 16, 48
"""Offsets in the tile configuration: the palette, bytes per row of each tile (16 bits each), rows of each tile (8 bits each)."""


@dataclass(frozen=True)
class TileAddress:
    """Where a tile lies: the address of its first row, and the distance of its rows, both in bytes."""

    start: Index
    stride: Index


@dataclass(frozen=True)
class TileRegisters:
    """Emits instructions on tiles. `configuration` is scratch of `CONFIGURATION_BYTES` bytes."""

    index: IndexMath
    configuration: Flat

    def write_configuration(self) -> None:
        """Write the configuration of eight tiles of full size."""
        values = [0] * CONFIGURATION_BYTES
        values[_PALETTE] = 1
        for tile in range(TILES):
            values[_COLUMN_BYTES + 2 * tile] = TILE_BYTES
            values[_ROWS + tile] = TILE_ROWS
        kind = ir.IntegerType.get_signless(8)
        for offset, value in enumerate(values):
            self.configuration.store(arith.constant(kind, value), offset)

    def limit_rows(self, tiles: range, rows: Index) -> None:
        """Let `tiles` have the first `rows` rows alone, in the written configuration."""
        value = arith.index_cast(ir.IntegerType.get_signless(8), self.index.value(rows))
        for tile in tiles:
            self.configuration.store(value, _ROWS + tile)

    def configure(self) -> None:
        """Take the written configuration. Before any other instruction."""
        self._call("ldtilecfg", [self._pointer(self.address(self.configuration, 0))])

    def release(self) -> None:
        """After all others: the processor need not keep the tiles any more."""
        self._call("tilerelease", [])

    def address(self, flat: Flat, offset: Index) -> Index:
        """The address of an element, in bytes."""
        return self.index.add(memref.extract_aligned_pointer_as_index(flat.memref), self.index.mul(offset, flat.element_bytes))

    def zero(self, tile: int) -> None:
        self._call("tilezero", [self._number(tile)])

    def load(self, tile: int, place: TileAddress, *, once: bool = False) -> None:
        """Load a tile; what is read once asks for little room in the caches."""
        self._call("tileloaddt164" if once else "tileloadd64", [self._number(tile), *self._place(place)])

    def store(self, tile: int, place: TileAddress) -> None:
        self._call("tilestored64", [self._number(tile), *self._place(place)])

    def multiply(self, instruction: str, acc: int, lhs: int, rhs: int) -> None:
        """`acc += lhs rhs`; neighbours of a column of `rhs` lie together in groups of 32 bits."""
        self._call(instruction, [self._number(tile) for tile in (acc, lhs, rhs)])

    def _place(self, place: TileAddress) -> tuple[ir.Value, ir.Value]:
        stride = arith.index_cast(ir.IntegerType.get_signless(64), self.index.value(place.stride))
        return self._pointer(place.start), stride

    def _pointer(self, address: Index) -> ir.Value:
        number = arith.index_cast(ir.IntegerType.get_signless(64), self.index.value(address))
        return llvm.inttoptr(ir.Type.parse("!llvm.ptr"), number)

    def _number(self, tile: int) -> ir.Value:
        return llvm.mlir_constant(ir.IntegerAttr.get(ir.IntegerType.get_signless(8), tile))

    def _call(self, name: str, arguments: Sequence[ir.Value]) -> None:
        llvm.call_intrinsic(None, f"llvm.x86.{name}", list(arguments), [], [])
