"""What is computed at once: a scalar, or one vector of lanes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, symbol


@dataclass(eq=False)
class Lane:
    """A vectorized loop being emitted: its index symbol (the first lane of the first vector), the offsets of the vectors that one
    step computes, with their masks, and the range of the lane index. `fixed`: the loop takes one step, at `low`."""

    name: str
    offsets: tuple[int, ...]
    masks: dict[int, ir.Value]
    low: Dim
    high: Dim
    tile: str = ""
    tile_offsets: tuple[int, ...] = field(default=())
    fixed: bool = False


@dataclass(frozen=True)
class Element:
    """One vector of a lane loop: lanes `lane.name + offset` and following. `mask` (None: all lanes) tells which lanes exist or are wanted;
    `guard` numbers the condition the mask stands for (0: the loop's own tail). `tile_offset` counts along the tile loop."""

    lane: Lane | None
    offset: int = 0
    mask: ir.Value | None = None
    guard: int = 0
    tile_offset: int = 0

    def masked(self, mask: ir.Value, guard: int) -> Element:
        """The element with a narrower mask."""
        return replace(self, mask=mask, guard=guard)


SCALAR = Element(None)
"""A single element: no lanes."""


def shifted(expression: Expr, element: Element, offset: int, tile_offset: int) -> Expr:
    """The expression, given for `element`, at another vector of the same step."""
    lane = element.lane
    if lane is None:
        return expression
    values: dict[str, Dim] = {lane.name: symbol(lane.name) + (offset - element.offset)}
    if lane.tile:
        values[lane.tile] = symbol(lane.tile) + (tile_offset - element.tile_offset)
    return expression.substitute(values)
