"""The loop plan of a kernel: which loops run over units, rows and lanes, for each group of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tilewright.core.symbolic import Dim, Expr, parse, product, simplify_dim, to_expr
from tilewright.lowering.loops.domain import Axis, Domain, reduction_domain, shape_domain
from tilewright.lowering.loops.graph import Arrays, Graph, Node, Reduced, Reshaped
from tilewright.lowering.loops.index_algebra import IndexSpace, linear_coefficient
from tilewright.lowering.loops.trace import Access, Demand, Trace, Tracer

UNIT_BYTES = 16384
"""Aimed-at bytes of output of one unit of work where rows are short."""
LONG_ROW = 65536
"""Rows of pure pointwise kernels that may be longer than this are split into blocks."""


@dataclass(frozen=True)
class Section:
    """Outputs of equal shape that are computed by one loop nest.

    `units` are the loops over independent rows; `inner` the loops inside a row that are not vectorized; `lane` the vectorized loop (None:
    scalar). With `lane_in_unit`, blocks of the lane loop are units too, and the inner loops run inside a block. `tile` is a loop that
    is blocked together with the lane loop so that both sides of a transpose are contiguous. `cuts` are lane indices, in order, at which
    a condition changes: the lane loop is split there.
    """

    kind: str
    outputs: tuple[tuple[int, Node], ...]
    domain: Domain
    units: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    lane: Axis | None
    lane_in_unit: bool = False
    tile: Axis | None = None
    lane_block: int = 0
    rows_per_unit: int = 1
    demands: tuple[Demand, ...] = ()
    cuts: tuple[Expr, ...] = ()

    @property
    def rows(self) -> Dim:
        """Number of rows (blocks of lanes not counted)."""
        return simplify_dim(to_expr(product(a.size for a in self.units)))


@dataclass
class Plan:
    """All sections, and the loops of each reduction."""

    sections: list[Section]
    reductions: dict[int, Domain] = field(default_factory=dict)


@dataclass(frozen=True)
class Knobs:
    """What a schedule may decide: `kind` (scalar: no vectors; rows: no tiles; columns: lanes across rows although a row reduction is then
    repeated; otherwise the accesses decide), `unroll` (vectors per step of the main
    loop; 0: by cost) and `rows_per_unit` (0: by size)."""

    kind: str = ""
    unroll: int = 0
    rows_per_unit: int = 0


def make_plan(graph: Graph, lanes: int, knobs: Knobs) -> Plan:
    """Decide the loops of a kernel for vectors of `lanes` elements."""
    reductions: dict[int, Domain] = {}
    sections = []
    for group in _group_outputs(graph):
        sections.append(_plan_section(graph, group, reductions, lanes, knobs))
    return Plan(sections, reductions)


def _group_outputs(graph: Graph) -> list[list[tuple[int, Node]]]:
    """Outputs by shape, in order of first appearance. A reshape at the end only renames a contiguous buffer."""
    groups: dict[tuple[str, ...], list[tuple[int, Node]]] = {}
    for position, node in enumerate(graph.outputs):
        while isinstance(node, Reshaped):
            node = node.source
        groups.setdefault(tuple(str(d) for d in node.shape if d != 1), []).append((position, node))
    return list(groups.values())


def _trace(graph: Graph, outputs: Sequence[tuple[int, Node]], domain: Domain, reductions: Mapping[int, Domain]) -> Trace:
    space = IndexSpace(graph.size_ranges)
    for axis in domain.axes:
        space.define(axis.name, axis.size)
    tracer = Tracer(graph, space, reductions)
    for _, node in outputs:
        tracer.value(node, _index_for(domain, node))
    return tracer.trace


def _index_for(domain: Domain, node: Node) -> list[Expr]:
    """Outputs of one group may differ in where they have dimensions of size 1."""
    if len(domain.index) == len(node.shape):
        return list(domain.index)
    proper = iter([e for e in domain.index if e.constant() != 0])
    return [to_expr(0) if size == 1 else next(proper) for size in node.shape]


def trace_section(graph: Graph, section: Section, reductions: Mapping[int, Domain]) -> Trace:
    """What the outputs of a section touch."""
    return _trace(graph, section.outputs, section.domain, reductions)


def _plan_section(graph: Graph, outputs: list[tuple[int, Node]], reductions: dict[int, Domain], lanes: int, knobs: Knobs) -> Section:
    domain = shape_domain("i", outputs[0][1].shape)
    domain, trace = _refine(graph, outputs, domain, reductions)
    section = _choose_loops(graph, outputs, domain, trace, knobs)
    section = _merge_lane(graph, section, reductions)
    section = _merge_units(graph, section, reductions)
    section = replace(section, cuts=_cuts(graph, section, reductions))
    return _choose_blocks(graph, section, lanes, knobs)


def _refine(graph: Graph, outputs: list[tuple[int, Node]], domain: Domain, reductions: dict[int, Domain]) -> tuple[Domain, Trace]:
    """Split loops until no address divides a loop index by a divisor of its extent; merge the loops of reductions."""
    for _ in range(16):
        trace = _trace(graph, outputs, domain, reductions)
        for demand in trace.demands:
            if isinstance(demand.node, Reduced):
                reductions.setdefault(demand.node.number, reduction_domain(demand.node))
        changed = False
        for axis, divisor in _divided(domain, trace):
            if axis in domain.axes:
                domain, changed = domain.split(axis, divisor), True
        for number, own in list(reductions.items()):
            for axis, divisor in _divided(own, trace):
                if axis in own.axes:
                    own, changed = own.split(axis, divisor), True
            reductions[number] = own
        if not changed:
            break
    _merge_reductions(graph, outputs, domain, reductions)
    return domain, _trace(graph, outputs, domain, reductions)


def _divided(domain: Domain, trace: Trace) -> list[tuple[Axis, Dim]]:
    """Loops that occur as `index // divisor` or `index % divisor` with a divisor of their extent."""
    found: list[tuple[Axis, Dim]] = []
    expressions = [a.address for a in trace.accesses] + [e for d in trace.demands for e in d.index]
    for axis in domain.axes:
        divisors: list[Dim] = []
        for expression in expressions:
            _collect_divisors(expression, axis.index, divisors)
        for divisor in divisors:
            if divisor != 1 and to_expr(axis.size).divide_exactly(divisor) is not None and to_expr(axis.size) != divisor:
                found.append((axis, divisor))
                break
    return found


def _collect_divisors(expression: Expr, index: Expr, divisors: list[Dim]) -> None:
    for monomial in expression.terms:
        for atom in monomial:
            if not atom.args:
                continue
            value = parse(atom.args[0])
            if atom.name in ("floordiv", "mod") and value == index:
                divisors.append(simplify_dim(parse(atom.args[1])))
            _collect_divisors(value, index, divisors)


def _merge_reductions(graph: Graph, outputs: list[tuple[int, Node]], domain: Domain, reductions: dict[int, Domain]) -> None:
    """Merge neighbouring loops of each reduction where addresses stay linear."""
    for number in list(reductions):
        position = len(reductions[number].axes) - 2
        while position >= 0:
            merged = reductions[number].merge(position)
            trace = _trace(graph, outputs, domain, {**reductions, number: merged})
            if _all_linear(trace, merged.axes[position].name):
                reductions[number] = merged
            position -= 1


def _all_linear(trace: Trace, name: str, demands: bool = True) -> bool:
    """Whether addresses, conditions and, with `demands`, the indices of reductions are linear in a loop index."""
    expressions = [a.address for a in trace.accesses] + [c.difference for c in trace.conditions]
    if demands:
        expressions += [e for d in trace.demands for e in d.index]
    return all(linear_coefficient(e, name) is not None for e in expressions)


def _stride(access: Access, axis: Axis) -> int | None:
    """0, 1, or None for anything else (symbolic, strided, not linear)."""
    coefficient = linear_coefficient(access.address, axis.name)
    value = None if coefficient is None else coefficient.constant()
    return value if value in (0, 1) else None


def _choose_loops(graph: Graph, outputs: list[tuple[int, Node]], domain: Domain, trace: Trace, knobs: Knobs) -> Section:
    axes = domain.axes
    demands = tuple(d for d in trace.demands if d.loop is None and not isinstance(d.node, Arrays))
    base = Section("rows", tuple(outputs), domain, axes, (), None, demands=demands)
    if not axes or knobs.kind == "scalar":
        return replace(base, kind="scalar" if knobs.kind == "scalar" else "rows")
    last = axes[-1]
    if not demands:
        tile = _transposed_axis(axes, trace, last) if knobs.kind in ("", "transpose") else None
        kind = "transpose" if tile is not None else "rows"
        units = tuple(a for a in axes if a not in (last, tile))
        return replace(base, kind=kind, units=units, lane=last, tile=tile)
    needed = [frozenset().union(*(trace.symbols(e) for e in d.index)) if d.index else frozenset() for d in demands]
    columns = [d for d, names in zip(demands, needed) if last.name in names and _contiguous_along(trace, d, last)]
    column_inner = tuple(a for a in axes if any(a.name not in n for d, n in zip(demands, needed) if d in columns))
    others = frozenset().union(*(n for d, n in zip(demands, needed) if d not in columns))
    fits = columns and last not in column_inner and not any(a.name in others for a in column_inner)
    if fits or (knobs.kind == "columns" and columns and last not in column_inner):
        units = tuple(a for a in axes[:-1] if a not in column_inner)
        return replace(base, kind="columns", units=units, inner=column_inner, lane=last, lane_in_unit=True)
    inner = tuple(a for a in axes if any(a.name not in n for n in needed))
    units = tuple(a for a in axes if a not in inner)
    if last in inner:
        return replace(base, units=units, inner=tuple(a for a in inner if a != last), lane=last)
    if inner:
        # Every reduction is one per element of the last loop, though it does not read along it: independent lanes all the same.
        return replace(base, kind="columns", units=tuple(a for a in units if a != last), inner=inner, lane=last, lane_in_unit=True)
    return base


def _contiguous_along(trace: Trace, demand: Demand, axis: Axis) -> bool:
    """Whether the loads of a reduction that step with the reduction are contiguous along `axis`."""
    own = [a for a in trace.accesses if a.loop is demand.node]
    strides = [_stride(a, axis) for a in own if any(n.startswith(("r", "a")) for n in trace.symbols(a.address))]
    return bool(strides) and strides.count(1) * 2 >= len(strides) and strides.count(1) > 0


def _transposed_axis(axes: Sequence[Axis], trace: Trace, last: Axis) -> Axis | None:
    """The loop along which loads are contiguous that are strided along the last loop."""
    strided = [a for a in trace.accesses if last.name in trace.symbols(a.address) and _stride(a, last) is None]
    for access in strided:
        for axis in axes[:-1]:
            if _stride(access, axis) == 1 and linear_coefficient(access.address, last.name) is not None:
                return axis
    return None


def _merge_lane(graph: Graph, section: Section, reductions: Mapping[int, Domain]) -> Section:
    """Make the lane loop longer by merging loops outside it, where every load stays contiguous or uniform."""
    while section.lane is not None and section.tile is None and not section.lane_in_unit:
        position = section.domain.axes.index(section.lane) - 1
        if position < 0:
            break
        outer = section.domain.axes[position]
        if section.demands and outer not in section.inner:
            break
        domain = section.domain.merge(position)
        lane = domain.axes[position]
        trace = _trace(graph, section.outputs, domain, reductions)
        accesses = [a for a in trace.accesses if a.loop is None and lane.name in trace.symbols(a.address)]
        if not _all_linear(trace, lane.name) or any(_stride(a, lane) != 1 for a in accesses):
            break
        section = replace(
            section,
            domain=domain,
            lane=lane,
            units=tuple(a for a in section.units if a != outer),
            inner=tuple(a for a in section.inner if a != outer),
            demands=tuple(d for d in trace.demands if d.loop is None and not isinstance(d.node, Arrays)),
        )
    return section


def _merge_units(graph: Graph, section: Section, reductions: Mapping[int, Domain]) -> Section:
    """Make one loop of neighbouring unit loops where every address stays linear."""
    position = len(section.domain.axes) - 2
    while position >= 0:
        outer, inner = section.domain.axes[position : position + 2]
        if outer in section.units and inner in section.units:
            domain = section.domain.merge(position)
            merged = domain.axes[position]
            trace = _trace(graph, section.outputs, domain, reductions)
            if _all_linear(trace, merged.name, demands=False):
                units = tuple(merged if a == outer else a for a in section.units if a != inner)
                demands = tuple(d for d in trace.demands if d.loop is None and not isinstance(d.node, Arrays))
                section = replace(section, domain=domain, units=units, demands=demands)
        position -= 1
    return section


def _cuts(graph: Graph, section: Section, reductions: Mapping[int, Domain]) -> tuple[Expr, ...]:
    """Where along the lane a condition of the outputs changes, in provable order; nothing when the order is not known."""
    lane = section.lane
    if lane is None or section.tile is not None or (section.lane_in_unit and section.inner):
        return ()
    found: list[Expr] = []
    for comparison in trace_section(graph, section, reductions).conditions:
        coefficient = linear_coefficient(comparison.difference, lane.name)
        if comparison.loop is not None or coefficient is None or coefficient.constant() not in (1, -1):
            continue
        rest = comparison.difference - lane.index * coefficient
        root = -rest if coefficient == 1 else rest
        if comparison.inclusive == (coefficient == 1):
            root = root + 1
        if not (root.symbols() - graph.size_ranges.keys()) and root not in found:
            found.append(root)
    space = IndexSpace(graph.size_ranges)
    inside = [r for r in found if space.nonnegative(r) and space.nonnegative(to_expr(lane.size) - r)] if len(found) <= 8 else []
    ordered: list[Expr] = []
    for root in inside:
        position = next((i for i, other in enumerate(ordered) if space.nonnegative(other - root)), len(ordered))
        ordered.insert(position, root)
    in_order = all(space.nonnegative(b - a) for a, b in pairwise(ordered))
    return tuple(ordered) if in_order else ()


def _choose_blocks(graph: Graph, section: Section, lanes: int, knobs: Knobs) -> Section:
    lane = section.lane
    if lane is None:
        # A reduction to one element may be a long row; single elements are nothing to split.
        return replace(section, rows_per_unit=knobs.rows_per_unit or (1 if section.demands else 64))
    if section.lane_in_unit:
        return replace(section, lane_block=(knobs.unroll or 4) * lanes)
    pure = not section.demands and section.tile is None
    longest = to_expr(lane.size).bounds(graph.size_ranges)[1]
    if pure and (longest > LONG_ROW or not section.units):
        return replace(section, lane_in_unit=True, lane_block=4096)
    row = simplify_dim(to_expr(product([lane.size, *(a.size for a in section.inner)])))
    rows = max(1, UNIT_BYTES // (4 * row)) if isinstance(row, int) and row > 0 else 1
    return replace(section, rows_per_unit=knobs.rows_per_unit or rows)
