"""Fetching the next row while this one is computed.

The first loop of a row waits for memory and computes little; the dearest one computes and waits for nothing, because the row is in
the cache by then. So the dearest loop evaluates what the first loop will read in the next row, with fetches instead of loads: the
address may come from data, as that of an embedding does.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilewright.core.mlir import memref
from tilewright.core.symbolic import Dim, Expr, call, symbol, to_expr
from tilewright.dialects.tw.types import BYTES
from tilewright.lowering.loops.domain import Axis
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.graph import Reduced
from tilewright.lowering.loops.iteration import iteration_point, reduction_axes
from tilewright.lowering.loops.memory import Buffer
from tilewright.lowering.loops.plan import Section
from tilewright.lowering.loops.region import Region
from tilewright.lowering.loops.trace import Demand, Loop

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter

LINE = 64
SECOND_LEVEL = 2


@dataclass
class NextRow:
    """What `loop` of a row fetches: all that the reduction `first` reads. `row`: the indices of the units of the next row. `symbols` are
    index symbols that tell the next row from this one; `active` while code for it is emitted."""

    loop: Loop
    first: Demand
    unit: Axis
    row: dict[str, Dim] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    active: bool = False


def plan_next_row(emitter: Emitter, section: Section) -> NextRow | None:
    """The dearest loop is the one that fills a row buffer, or that of the outputs. None where rows have no loop of their own before it."""
    if section.kind != "rows" or section.lane is None or section.lane_in_unit or section.inner or not section.units or emitter.width == 1:
        return None
    fillers = [b.filled_by for b in emitter.row_buffers.values()]
    for demand in sorted(section.demands, key=lambda d: d.node.number):
        if not isinstance(demand.node, Reduced):
            continue
        axes = reduction_axes(emitter, demand.node)
        if len(axes) == 1 and axes[0].size == section.lane.size:
            return NextRow(fillers[0] if fillers else None, demand, section.units[-1])
    return None


def begin_row(emitter: Emitter, values: dict[str, Dim]) -> None:
    """At the start of a row: the index of the next one. The last row is its own next one, so that indices stay within bounds."""
    plan = emitter.next_row
    if plan is None:
        return
    scopes, name = emitter.scopes, emitter.fresh("next")
    following = to_expr(call("min", to_expr(values[plan.unit.name]) + 1, to_expr(plan.unit.size) - 1))
    scopes.current.values[name] = scopes.index(following)
    emitter.space.define(name, plan.unit.size)
    plan.row = {**values, plan.unit.name: symbol(name)}
    plan.symbols = {name}


def fetch_next_row(emitter: Emitter, loop: Loop, at: Expr, element: Element) -> None:
    """In `loop`, at lane index `at`: fetch the lines of the next row that stand where this vector stands."""
    plan = emitter.next_row
    if plan is None or plan.active or plan.loop is not loop or element.mask is not None or element.lane is None:
        return
    node = plan.first.node
    assert isinstance(node, Reduced)
    index = [emitter.space.simplify(e.substitute(plan.row)) for e in plan.first.index]
    (axis,) = reduction_axes(emitter, node)
    with _fetching(plan):
        Region(emitter, node.stage, iteration_point(emitter, node, index, {axis.name: at}), element).data(node.contribution)


@contextmanager
def _fetching(plan: NextRow) -> Generator[None]:
    plan.active = True
    try:
        yield
    finally:
        plan.active = False


def fetch(emitter: Emitter, buffer: Buffer, address: Expr, element: Element) -> None:
    """Instead of a load of contiguous lanes: fetch the line, if it is one of the next row and the first vector in it."""
    plan = emitter.next_row
    assert plan is not None
    if element.offset * BYTES[buffer.dtype] % LINE == 0 and address.symbols() & plan.symbols:
        memref.PrefetchOp(buffer.view, [emitter.scopes.index(address)], False, SECOND_LEVEL, True)
