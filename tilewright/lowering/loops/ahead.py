"""Fetching the next row while this one is computed.

The first loop of a row waits for memory and computes little; the dearest one computes and waits for nothing, because the row is in
the cache by then. So the dearest loop fetches what the first loop of the next row will read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tilewright.core.mlir import memref
from tilewright.core.symbolic import Dim, Expr, symbol
from tilewright.dialects.tw.types import BYTES
from tilewright.lowering.loops.domain import reduction_domain
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.graph import Argument, Reduced
from tilewright.lowering.loops.index_algebra import linear_coefficient
from tilewright.lowering.loops.memory import Buffer
from tilewright.lowering.loops.plan import Section
from tilewright.lowering.loops.trace import Loop, Trace

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter

LINE = 64
SECOND_LEVEL = 2


@dataclass
class NextRow:
    """What `loop` of a row fetches: the buffers, with the address of the same element in the next row, over the indices of the units and
    the lane of the section. `row`: the values of the units' indices in the row that is being computed."""

    loop: Loop
    lane: str
    streams: list[tuple[Buffer, Expr]]
    row: dict[str, Dim] = field(default_factory=dict)


def plan_next_row(emitter: Emitter, section: Section, trace: Trace) -> NextRow | None:
    """The inputs that loops over the row read before its dearest one, which is the loop that fills a row buffer, or that of the outputs."""
    if section.kind != "rows" or section.lane is None or section.lane_in_unit or section.inner or not section.units:
        return None
    last = section.units[-1]
    fillers = [b.filled_by for b in emitter.row_buffers.values()]
    streams: dict[str, tuple[Buffer, Expr]] = {}
    for access in trace.accesses:
        loop = access.loop
        if not isinstance(loop, Reduced) or not isinstance(access.node, Argument):
            continue
        domain = emitter.plan.reductions.get(loop.number) or reduction_domain(loop)
        if len(domain.axes) != 1 or domain.axes[0].size != section.lane.size:
            continue
        address = access.address.substitute({domain.axes[0].name: symbol(section.lane.name)})
        stride, step = (linear_coefficient(address, name) for name in (section.lane.name, last.name))
        if stride == 1 and step is not None and step.terms and not address.symbols() & trace.opaque.keys():
            ahead = address.substitute({last.name: symbol(last.name) + 1})
            streams[f"{access.node.number} {ahead}"] = (emitter.buffers[access.node.number], ahead)
    return NextRow(fillers[0] if fillers else None, section.lane.name, list(streams.values())) if streams else None


def fetch_next_row(emitter: Emitter, loop: Loop, at: Expr, element: Element) -> None:
    """In `loop`, at lane index `at`: fetch the lines of the next row that stand where this vector stands."""
    plan = emitter.next_row
    if plan is None or plan.loop is not loop or element.mask is not None or element.lane is None:
        return
    for buffer, address in plan.streams:
        if element.offset * BYTES[buffer.dtype] % LINE:
            continue
        index = emitter.scopes.index(emitter.space.simplify(address.substitute({**plan.row, plan.lane: at})))
        memref.PrefetchOp(buffer.view, [index], False, SECOND_LEVEL, True)
