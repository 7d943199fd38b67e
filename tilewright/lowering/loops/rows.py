"""One section of a kernel: the loop over its units, and what a row computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise

from tilewright.core.mlir import ir, scf
from tilewright.core.symbolic import Dim, Expr, call, ceildiv, product, symbol, to_expr
from tilewright.lowering.loops import memory, tiles
from tilewright.lowering.loops.ahead import begin_row, fetch_next_row
from tilewright.lowering.loops.domain import Axis
from tilewright.lowering.loops.element import SCALAR, Element, Lane
from tilewright.lowering.loops.emitter import Emitter
from tilewright.lowering.loops.index_algebra import delinearize
from tilewright.lowering.loops.outputs import Values, store_outputs
from tilewright.lowering.loops.plan import Section
from tilewright.lowering.loops.trace import Demand
from tilewright.lowering.loops.vector_loop import State, lane_scope, over_registers, plain_loop, vector_loop


def unit_count(section: Section, width: int) -> Dim:
    """How many independent units of work a section has."""
    if section.lane is None:
        return ceildiv(section.rows, section.rows_per_unit)
    if section.tile is not None:
        return to_expr(section.rows) * to_expr(ceildiv(section.lane.size, tiles.BAND_VECTORS * width))
    if section.lane_in_unit:
        return to_expr(section.rows) * to_expr(ceildiv(section.lane.size, section.lane_block))
    return ceildiv(section.rows, section.rows_per_unit)


def emit_section(emitter: Emitter, section: Section, low: Expr, high: Expr, unroll: int) -> None:
    """Emit the units `low` to `high` (expressions over symbols of the function scope) of a section."""
    if section.tile is not None:
        assert section.lane is not None
        bands = to_expr(ceildiv(section.lane.size, tiles.BAND_VECTORS * emitter.width))
        _units(emitter, section, low, high, bands, lambda v, b: tiles.emit_band(emitter, section, v, b, _compute_lanes))
    elif section.lane is not None and section.lane_in_unit and not section.units:
        _flat(emitter, section, low, high, unroll)
    elif section.lane is not None and section.lane_in_unit:
        blocks = to_expr(ceildiv(section.lane.size, section.lane_block))
        _units(emitter, section, low, high, blocks, lambda v, b: _lane_block(emitter, section, v, b, unroll))
    else:
        per_unit = section.rows_per_unit
        end = to_expr(call("min", high * per_unit, section.rows)) if per_unit != 1 else high
        _row_loop(emitter, section, low * per_unit, end, lambda values: _row(emitter, section, values, unroll))


def _row_loop(emitter: Emitter, section: Section, low: Expr, high: Expr, body: Callable[[Values], None]) -> None:
    """The rows `low` to `high`. Of several unit loops the last one stays a loop, so that indices are divided out once per run of it."""
    units = section.units
    home = emitter.scopes.current
    if len(units) < 2:

        def step(row: Expr, _: State) -> State:
            body({axis.name: row for axis in units})
            return []

        plain_loop(emitter, home, low, high, 1, [], step, emitter.fresh("row"), size=section.rows)
        return
    *outer, last = units
    length = to_expr(last.size)
    divisor = length if length.bounds(emitter.graph.size_ranges)[0] > 0 else to_expr(call("max", length, 1))

    def run(at: Expr, _: State) -> State:
        values = _unit_values(emitter, outer, at)

        def one_row(index: Expr, _: State) -> State:
            body({**values, last.name: index})
            return []

        start, end = call("max", low - at * length, 0), call("min", high - at * length, length)
        plain_loop(emitter, emitter.scopes.current, start, end, 1, [], one_row, emitter.fresh("row"), size=length)
        return []

    runs = to_expr(product(a.size for a in outer))
    first, end = to_expr(call("floordiv", low, divisor)), to_expr(ceildiv(high, divisor))
    plain_loop(emitter, home, first, end, 1, [], run, emitter.fresh("run"), size=runs)


def _units(emitter: Emitter, section: Section, low: Expr, high: Expr, blocks: Expr, body: Callable[[Values, Expr], None]) -> None:
    """A loop over (row, block) pairs."""

    def step(unit: Expr, _: State) -> State:
        row = emitter.space.simplify(call("floordiv", unit, blocks)) if section.units else to_expr(0)
        block = emitter.space.simplify(call("mod", unit, blocks)) if section.units else unit
        body(_unit_values(emitter, section.units, row), block)
        return []

    size = to_expr(section.rows) * blocks
    plain_loop(emitter, emitter.scopes.current, low, high, 1, [], step, emitter.fresh("unit"), size=size)


def _unit_values(emitter: Emitter, units: Sequence[Axis], row: Expr) -> Values:
    indices = delinearize(row, [a.size for a in units])
    return {axis.name: emitter.space.simplify(index) for axis, index in zip(units, indices)}


def _flat(emitter: Emitter, section: Section, low: Expr, high: Expr, unroll: int) -> None:
    """All units are one contiguous range of lanes."""
    assert section.lane is not None
    emitter.row_depth = emitter.scopes.current.depth
    start = low * section.lane_block
    end = to_expr(call("min", high * section.lane_block, section.lane.size))
    _compute_lanes(emitter, section, {}, start, end, unroll)


def _lane_block(emitter: Emitter, section: Section, values: Values, block: Expr, unroll: int) -> None:
    assert section.lane is not None
    emitter.row_depth = emitter.scopes.current.depth
    start = block * section.lane_block
    divisible = to_expr(section.lane.size).divide_exactly(section.lane_block) is not None
    end = start + section.lane_block if divisible else to_expr(call("min", start + section.lane_block, section.lane.size))
    if section.inner or section.demands:
        unroll = section.lane_block // emitter.width
    _scalar_demands(emitter, section, values)
    _compute_lanes(emitter, section, values, start, end, unroll)


def _row(emitter: Emitter, section: Section, values: Values, unroll: int) -> None:
    emitter.row_depth = emitter.scopes.current.depth
    for buffer in emitter.row_buffers.values():
        buffer.ready = False
    begin_row(emitter, values)
    lane = section.lane
    with ExitStack() as stack:
        if lane is not None and section.demands and fits_registers(emitter, lane):
            stack.enter_context(_registers(emitter, lane))
        _scalar_demands(emitter, section, values)
        _inner_loops(emitter, section, values, list(section.inner), unroll)


def fits_registers(emitter: Emitter, lane: Axis) -> bool:
    """Rows short enough to stay in vector registers from one loop to the next."""
    limit = emitter.target.vector_registers * 3 // 4
    return isinstance(lane.size, int) and emitter.width > 1 and lane.size <= limit * emitter.width


def _registers(emitter: Emitter, axis: Axis) -> ExitStack:
    stack = ExitStack()
    name = emitter.fresh("l")
    width, size = emitter.width, axis.size
    assert isinstance(size, int)
    home = emitter.scopes.current
    offsets = tuple(range(0, size, width))
    masks: dict[int, ir.Value] = {}
    if size % width:
        masks[offsets[-1]] = memory.tail_mask(width, emitter.scopes.index(size % width))
    emitter.space.redefine(name, 0, size - 1)
    lane = Lane(name, offsets, masks, 0, size, fixed=True)
    stack.enter_context(emitter.scopes.enter_inline(home, {name: emitter.scopes.index(0)}))
    stack.enter_context(lane_scope(emitter, lane))
    previous = emitter.register_lane
    emitter.register_lane = lane
    stack.callback(lambda: setattr(emitter, "register_lane", previous))
    return stack


def _scalar_demands(emitter: Emitter, section: Section, values: Values) -> None:
    """Reductions of the whole row, in program order, before the loops that use them."""
    for demand in sorted(section.demands, key=lambda d: d.node.number):
        if _indices(emitter, demand) <= values.keys():
            emitter.value(demand.node, [e.substitute(values) for e in demand.index], SCALAR)


def _indices(emitter: Emitter, demand: Demand) -> frozenset[str]:
    """The loop indices and the loaded indices that a demand depends on."""
    return frozenset().union(*(e.symbols() for e in demand.index)) - emitter.graph.size_ranges.keys()


def _inner_loops(emitter: Emitter, section: Section, values: Values, inner: list[Axis], unroll: int) -> None:
    if inner:

        def step(at: Expr, _: State) -> State:
            _inner_loops(emitter, section, {**values, inner[0].name: at}, inner[1:], unroll)
            return []

        plain_loop(emitter, emitter.scopes.current, 0, inner[0].size, 1, [], step, emitter.fresh("n"))
    elif section.lane is None:
        store_outputs(emitter, section, values, SCALAR)
    else:
        _compute_lanes(emitter, section, values, to_expr(0), to_expr(section.lane.size), unroll)


def _compute_lanes(emitter: Emitter, section: Section, values: Values, low: Expr, high: Expr, unroll: int) -> None:
    """The lane loop of the outputs; loops inside a lane block share one step of vectors."""
    lane = section.lane
    assert lane is not None
    if emitter.width == 1:

        def scalar_step(at: Expr, _: State) -> State:
            store_outputs(emitter, section, {**values, lane.name: at}, SCALAR)
            return []

        plain_loop(emitter, emitter.scopes.current, low, high, 1, [], scalar_step, emitter.fresh("n"), size=lane.size)
        return

    def body(at: Expr, element: Element, state: State) -> State:
        if section.inner and section.lane_in_unit:
            if element.lane is not None and element.offset == element.lane.offsets[0]:
                _inside_lanes(emitter, section, values, element.lane, list(section.inner))
        else:
            fetch_next_row(emitter, None, at, element)
            store_outputs(emitter, section, {**values, lane.name: at}, element)
        return state

    slots: list[State] = [[] for _ in range(unroll)]
    registers = emitter.register_lane
    if registers is not None and to_expr(registers.high) == lane.size:
        over_registers(emitter, registers, slots, body)
    elif emitter.large is not None:
        _by_size(emitter, emitter.large, lambda: vector_loop(emitter, emitter.scopes.current, low, high, unroll, slots, body))
    else:
        for start, end, known in _segments(section, low, high):
            vector_loop(emitter, emitter.scopes.current, start, end, unroll, slots, body, known)


def _by_size(emitter: Emitter, large: ir.Value, emit: Callable[[], object]) -> None:
    """The loop twice: with stores past the caches, and with ordinary ones."""
    scopes = emitter.scopes
    home = scopes.current
    with scopes.at(home):
        branch = scf.IfOp(large, has_else=True)
    for part, past_caches in zip(branch.operation.regions, (True, False)):
        with scopes.before(home, branch.operation), scopes.enter(part.blocks[0], {}):
            emitter.past_caches = past_caches
            emit()
            scf.YieldOp([])


def _segments(section: Section, low: Expr, high: Expr) -> list[tuple[Expr, Expr, tuple[Expr, Expr] | None]]:
    """The range of lanes, split where a condition changes, each part with the range that is known to contain it."""
    if not section.cuts or section.lane is None:
        return [(low, high, None)]
    points = [to_expr(0), *section.cuts, to_expr(section.lane.size)]
    parts = []
    for start, end in pairwise(points):
        first = start if low == 0 else to_expr(call("max", start, low))
        last = end if high == section.lane.size else to_expr(call("min", end, high))
        parts.append((first, last, (start, end)))
    return parts


def _inside_lanes(emitter: Emitter, section: Section, values: Values, lane: Lane, inner: list[Axis]) -> None:
    elements = [Element(lane, o, lane.masks.get(o)) for o in lane.offsets]
    axis = section.lane
    assert axis is not None
    if not inner:
        for element in elements:
            store_outputs(emitter, section, {**values, axis.name: symbol(lane.name) + element.offset}, element)
        return
    # What the rows share (reductions over them) comes first, so that it fills what later loops read.
    for demand in sorted(section.demands, key=lambda d: d.node.number):
        if _indices(emitter, demand) <= values.keys() | {axis.name}:
            for element in elements:
                at = {**values, axis.name: symbol(lane.name) + element.offset}
                emitter.value(demand.node, [e.substitute(at) for e in demand.index], element)

    def step(at: Expr, _: State) -> State:
        _inside_lanes(emitter, section, {**values, inner[0].name: at}, lane, inner[1:])
        return []

    plain_loop(emitter, emitter.scopes.current, 0, inner[0].size, 1, [], step, emitter.fresh("n"))
