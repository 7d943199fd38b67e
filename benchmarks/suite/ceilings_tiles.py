"""The peak loop of AMX: tile registers are named by number, and configured from memory before they are used."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir, llvm, scf
from tilewright.targets import MatrixInstruction

TILES = ("tdpbf16ps", "tdpbssd", "tdpbsud", "tdpbusd", "tdpbuud")
TILE_ACCUMULATORS = 6
"""Tiles 0 to 5; tiles 6 and 7 are the operands."""
TILE_COUNT, ROWS, ROW_BYTES = 8, 16, 64


def tile_configuration() -> bytes:
    """The operand of `ldtilecfg`: palette 1, all tiles of 16 rows of 64 bytes (Intel's instruction reference, LDTILECFG)."""
    head = bytes([1, 0]) + bytes(14)
    widths = ROW_BYTES.to_bytes(2, "little") * TILE_COUNT + bytes(16)
    return head + widths + bytes([ROWS] * TILE_COUNT) + bytes(8)


def tile_body(instruction: MatrixInstruction, memory: ir.Value, count: ir.Value) -> None:
    """`count` times the instruction on each accumulator. `memory` starts with the configuration."""
    _call("llvm.x86.ldtilecfg", [memory])
    for tile in range(TILE_COUNT):
        _call("llvm.x86.tilezero", [_number(tile)])
    zero, one = (arith.constant(ir.IndexType.get(), n) for n in (0, 1))
    loop = scf.ForOp(zero, count, one, [])
    with ir.InsertionPoint(loop.body):
        for tile in range(TILE_ACCUMULATORS):
            _call(f"llvm.x86.{instruction.name}", [_number(tile), _number(6), _number(7)])
        scf.YieldOp([])
    _call("llvm.x86.tilerelease", [])


def _number(tile: int) -> ir.Value:
    return llvm.mlir_constant(ir.IntegerAttr.get(ir.IntegerType.get_signless(8), tile))


def _call(name: str, operands: Sequence[ir.Value]) -> None:
    llvm.call_intrinsic(None, ir.StringAttr.get(name), list(operands), [], [])
