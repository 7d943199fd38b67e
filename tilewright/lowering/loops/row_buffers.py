"""Which intermediate values a row keeps in memory: those that are expensive and needed by several of its loops."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.symbolic import Expr, ceildiv, symbol, to_expr
from tilewright.dialects.tw.types import BYTES
from tilewright.lowering.loops.domain import reduction_domain
from tilewright.lowering.loops.graph import Graph, Mapped, Node, Reduced, Reshaped, Sliced
from tilewright.lowering.loops.plan import Plan, Section
from tilewright.lowering.loops.trace import Demand, Trace
from tilewright.lowering.math.expand import COSTS

WORTH_STORING = 10
"""Cost (vector instructions) from which a second evaluation is dearer than a store and a load."""


@dataclass(frozen=True)
class Stored:
    """A node to keep: the loop that computes it, where each loop of the section stands in its index, and the output whose row it may
    use (None: scratch)."""

    node: Mapped
    filled_by: Reduced
    axis_positions: dict[str, int]
    output: int | None


def choose_stored(graph: Graph, plan: Plan, section: Section, trace: Trace, in_outputs: bool = True) -> list[Stored]:
    """The nodes that a section stores. With `in_outputs`, one may take an output's row; the row is read at an element before that is
    overwritten."""
    row_axis = section.inner[0] if section.lane_in_unit and len(section.inner) == 1 else section.lane
    if row_axis is None or section.tile is not None or (section.inner and not section.lane_in_unit):
        return []
    needed = frozenset(a.name for a in section.domain.axes)
    seen: dict[int, dict[str, list[Demand]]] = {}
    for visit in trace.visits:
        canonical = _canonical(plan, visit, row_axis.name, row_axis.size)
        if canonical is not None:
            seen.setdefault(visit.node.number, {}).setdefault(canonical, []).append(visit)
    stored: list[Stored] = []
    covered: set[int] = set()
    for number in sorted(seen, reverse=True):
        node = graph.nodes[number]
        if not isinstance(node, Mapped) or number in covered or len(seen[number]) != 1:
            continue
        ((canonical, visits),) = seen[number].items()
        loops = {v.loop for v in visits}
        fillers = sorted((loop for loop in loops if isinstance(loop, Reduced)), key=lambda loop: loop.number)
        positions = {name: i for i, name in enumerate(canonical.split(";")) if name in needed}
        if len(loops) < 2 or not fillers or positions.keys() != needed or _cost(node) < WORTH_STORING:
            continue
        stored.append(Stored(node, fillers[0], positions, _free_output(section, node, stored) if in_outputs else None))
        covered |= _inlined(node)
    return stored


def _canonical(plan: Plan, visit: Demand, row_axis: str, row_size: object) -> str | None:
    """The index of a visit with the loop that runs along the row named like the section's; None when it is another kind of loop."""
    index = visit.index
    if visit.loop is not None:
        if not isinstance(visit.loop, Reduced):
            return None
        domain = plan.reductions.get(visit.loop.number) or reduction_domain(visit.loop)
        if len(domain.axes) != 1 or domain.axes[0].size != row_size:
            return None
        index = tuple(e.substitute({domain.axes[0].name: symbol(row_axis)}) for e in index)
    return ";".join(str(e) for e in index)


def _cost(node: Node) -> int:
    """Cost of evaluating a node from what is in memory."""
    match node:
        case Mapped(stage=stage):
            own = sum(COSTS.get(op.operation.name, 1) for op in stage.block.operations)
            return own + sum(_cost(source) for source, _ in stage.inputs)
        case Reshaped(source=source) | Sliced(source=source):
            return _cost(source)
        case _:
            return 0


def _inlined(node: Node) -> set[int]:
    """Nodes that are evaluated inside `node`."""
    match node:
        case Mapped(stage=stage):
            return {node.number}.union(*(_inlined(source) for source, _ in stage.inputs))
        case Reshaped(source=source) | Sliced(source=source):
            return {node.number} | _inlined(source)
        case _:
            return set()


def _free_output(section: Section, node: Mapped, stored: list[Stored]) -> int | None:
    taken = {s.output for s in stored}
    for position, output in section.outputs:
        if position not in taken and output.dtype == node.dtype == "f32":
            return position
    return None


def scratch_bytes(section: Section, stored: list[Stored]) -> list[tuple[Stored, Expr]]:
    """The rows in scratch with their sizes in bytes, each rounded up to 64."""
    rows: list[tuple[Stored, Expr]] = []
    for entry in stored:
        if entry.output is None and section.lane is not None:
            size = BYTES["f32" if entry.node.dtype in ("f16", "bf16") else entry.node.dtype]
            rows.append((entry, to_expr(ceildiv(to_expr(section.lane.size) * size, 64)) * 64))
    return rows
