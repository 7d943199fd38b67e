"""Loads whose contiguous dimension is the tile loop, not the lane loop: square tiles transposed in registers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewright.core.mlir import ir, vector
from tilewright.core.symbolic import Expr
from tilewright.lowering.loops import memory
from tilewright.lowering.loops.element import Element, shifted
from tilewright.lowering.loops.index_algebra import linear_coefficient
from tilewright.lowering.loops.memory import Buffer
from tilewright.lowering.loops.types import from_memory, storage_type

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter


def load(emitter: Emitter, buffer: Buffer, address: Expr, element: Element) -> ir.Value:
    """One vector of a tile. The first request loads and transposes the whole tile; the others find it.

    The tile covers all lanes of the vector and as many steps of the tile loop; the loop must compute both.
    """
    lane = element.lane
    width = emitter.width
    if lane is None or len(lane.tile_offsets) != width or element.mask is not None:
        return memory.load(emitter, buffer, address, element)
    stride = linear_coefficient(address, lane.name)
    if stride is None:
        return memory.load(emitter, buffer, address, element)
    scope = emitter.scopes.home(address.symbols())
    first = shifted(address, element, element.offset, 0)
    key = ("tile", id(buffer.view), str(first))
    if key not in scope.memo:
        vector_type = ir.VectorType.get([width], storage_type(buffer.dtype))
        rows = [vector.LoadOp(vector_type, buffer.view, [emitter.scopes.index(first + stride * k)]).result for k in range(width)]
        scope.memo[key] = [from_memory(row, buffer.dtype) for row in transpose_square(rows)]
    tile: list[ir.Value] = scope.memo[key]  # type: ignore[assignment]
    return tile[element.tile_offset]


def transpose_square(rows: Sequence[ir.Value]) -> list[ir.Value]:
    """The columns of a square of vectors, by log2(n) butterfly stages of two-operand shuffles."""
    width = len(rows)
    current = list(rows)
    distance = width // 2
    while distance:
        following = list(current)
        # In each pair of rows, swap the blocks off the diagonal.
        low = [i if not i & distance else width + (i ^ distance) for i in range(width)]
        high = [i | distance if not i & distance else width + i for i in range(width)]
        for row in range(width):
            if not row & distance:
                pair = current[row], current[row | distance]
                following[row] = vector.ShuffleOp(*pair, ir.DenseI64ArrayAttr.get(low)).result
                following[row | distance] = vector.ShuffleOp(*pair, ir.DenseI64ArrayAttr.get(high)).result
        current = following
        distance //= 2
    return current
