"""Reductions as loops: along the lanes of a row, or row by row with independent lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tilewright.core.mlir import arith, ir, math
from tilewright.core.symbolic import Dim, Expr, call, to_expr
from tilewright.lowering.loops.ahead import fetch_next_row
from tilewright.lowering.loops.combine import combine, horizontal, neutral, tree
from tilewright.lowering.loops.domain import Axis
from tilewright.lowering.loops.element import SCALAR, Element, shifted
from tilewright.lowering.loops.graph import Filled, Reduced
from tilewright.lowering.loops.iteration import iteration_point, reduction_axes
from tilewright.lowering.loops.region import Region
from tilewright.lowering.loops.scopes import Scope
from tilewright.lowering.loops.types import broadcast, constant, lane_type
from tilewright.lowering.loops.vector_loop import State, over_registers, plain_loop, vector_loop
from tilewright.lowering.math.expand import COSTS

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter

BLOCK_ROWS = 64
"""Rows that are summed into one accumulator before it is added to the total: keeps the error of long column sums small."""


def to_scalar(emitter: Emitter, node: Reduced, index: tuple[Expr, ...], home: Scope) -> ir.Value:
    """The reduction at an index without lanes: lanes run along its last loop, and are combined at the end."""
    axes = reduction_axes(emitter, node)
    scalar = lane_type(node.dtype)
    if home.cursor is not emitter.scopes.stack[emitter.row_depth].cursor and home.depth > emitter.row_depth:
        emitter.slow_paths.append(f"a reduction is done again in every step of another loop ({node.where or 'unknown place'})")
    vectorized = emitter.width > 1 and bool(axes)
    kind_type = ir.VectorType.get([emitter.width], scalar) if vectorized else scalar
    unroll = accumulators(node) if vectorized else 1
    previous, emitter.filling = emitter.filling, node
    with emitter.scopes.at(home):
        start = [neutral(node.kind, kind_type) for _ in range(unroll)]
    # Sums start from zero, extrema from their neutral element; another initial value joins at the end.
    totals = _over_rows(emitter, node, index, home, list(axes[:-1]), {}, start, axes[-1:], vectorized)
    emitter.filling = previous
    for buffer in emitter.row_buffers.values():
        buffer.ready = buffer.ready or buffer.filled_by is node
    with emitter.scopes.at(home):
        return with_init(emitter, node, index, horizontal(node.kind, tree(node.kind, totals)))


def accumulators(node: Reduced) -> int:
    """Independent accumulators of a row reduction: enough to hide the latency, fewer when each step is long anyway."""
    cost = sum(COSTS.get(op.operation.name, 1) for op in node.stage.block.operations)
    return 4 if cost < 24 else 2


def _over_rows(
    emitter: Emitter,
    node: Reduced,
    index: tuple[Expr, ...],
    home: Scope,
    outer: list[Axis],
    values: dict[str, Dim],
    accs: State,
    last: Sequence[Axis],
    vectorized: bool,
) -> State:
    """The outer loops of a reduction one inside the other, then the last one."""
    if outer:

        def step(at: Expr, state: State) -> State:
            inside = emitter.scopes.current
            return _over_rows(emitter, node, index, inside, outer[1:], {**values, outer[0].name: at}, state, last, vectorized)

        return plain_loop(emitter, home, 0, outer[0].size, 1, accs, step, emitter.fresh("k"))
    if not last:
        return [accumulate(emitter, node, index, values, SCALAR, accs[0])]
    if not vectorized:

        def scalar_step(at: Expr, state: State) -> State:
            return [accumulate(emitter, node, index, {**values, last[0].name: at}, SCALAR, state[0])]

        return plain_loop(emitter, home, 0, last[0].size, 1, accs, scalar_step, emitter.fresh("k"))

    def vector_step(at: Expr, element: Element, state: State) -> State:
        fetch_next_row(emitter, node, at, element)
        return [accumulate(emitter, node, index, {**values, last[0].name: at}, element, state[0])]

    slots = [[a] for a in accs]
    lane = emitter.register_lane
    if lane is not None and to_expr(lane.high) == last[0].size:
        return [s[0] for s in over_registers(emitter, lane, slots, vector_step)]
    return [s[0] for s in vector_loop(emitter, home, 0, last[0].size, len(accs), slots, vector_step)]


def accumulate(emitter: Emitter, node: Reduced, index: Sequence[Expr], values: dict[str, Dim], element: Element, acc: ir.Value) -> ir.Value:
    """One more contribution. A product that is summed becomes a fused multiply-add."""
    region = Region(emitter, node.stage, iteration_point(emitter, node, index, values), element)
    factors = _factors(emitter, node, region) if element.mask is None else None
    if factors is not None:
        lhs, rhs = (_like(emitter, v, acc) for v in factors)
        return math.FmaOp(lhs, rhs, acc).result
    value = _like(emitter, region.data(node.contribution), acc)
    if element.mask is not None:
        value = arith.SelectOp(element.mask, value, neutral(node.kind, acc.type)).result
    return combine(node.kind, acc, value)


def _factors(emitter: Emitter, node: Reduced, region: Region) -> list[ir.Value] | None:
    """The two values whose f32 product is summed: in the region itself, or as the result of the stage that it reads."""
    if node.kind != "add" or not isinstance(node.contribution.type, ir.F32Type):
        return None
    value = node.contribution
    if isinstance(value.owner, ir.Block):
        inner = region.stage_of_input(ir.BlockArgument(value).arg_number)
        if inner is None:
            return None
        region, value = inner
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.operation.name != "arith.mulf":
        return None
    return [region.data(v) for v in owner.operation.operands]


def _like(emitter: Emitter, value: ir.Value, acc: ir.Value) -> ir.Value:
    return broadcast(value, emitter.width) if isinstance(acc.type, ir.VectorType) else value


def with_init(emitter: Emitter, node: Reduced, index: tuple[Expr, ...], value: ir.Value) -> ir.Value:
    """Join the initial value, unless it is the neutral element."""
    init = node.init
    if isinstance(init, Filled) and _is_neutral(node, init.scalar):
        return value
    start = emitter.value(init, index, SCALAR)
    return combine(node.kind, _like(emitter, start, value), value)


def _is_neutral(node: Reduced, scalar: ir.Value) -> bool:
    owner = scalar.owner
    if isinstance(owner, ir.Block) or owner.operation.name != "arith.constant":
        return False
    attribute = owner.operation.attributes["value"]
    if isinstance(attribute, ir.IntegerAttr):
        bits = ir.IntegerType(scalar.type).width
        extremes = {"max": -(1 << (bits - 1)), "min": (1 << (bits - 1)) - 1}
        return attribute.value == {"add": 0, "mul": 1, "and": -1, "or": 0, **extremes}.get(node.kind)
    if isinstance(attribute, ir.FloatAttr):
        kind = node.kind.removesuffix("num")
        return attribute.value == {"add": 0.0, "mul": 1.0, "max": -float("inf"), "min": float("inf")}[kind]
    return False


def along_lanes(
    emitter: Emitter, node: Reduced, index: tuple[Expr, ...], element: Element, home: Scope, key: tuple[object, ...]
) -> ir.Value:
    """The reduction at an index with lanes: every lane its own sum. All vectors of the step share one loop."""
    lane = element.lane
    if lane is None:
        raise ValueError("lanes without a lane loop")
    if element.guard or element.mask is not None or any(emitter.has_lane_data(e) for e in index):
        members = [element]
    else:
        tiles = lane.tile_offsets or (0,)
        members = [Element(lane, o, lane.masks.get(o), tile_offset=t) for o in lane.offsets for t in tiles]
    at = [tuple(shifted(e, element, m.offset, m.tile_offset) for e in index) for m in members]
    vector_type = ir.VectorType.get([emitter.width], lane_type(node.dtype))
    with emitter.scopes.at(home):
        start = [neutral(node.kind, vector_type) for _ in members]

    def body(values: dict[str, Dim], state: State) -> State:
        return [accumulate_lanes(emitter, node, i, values, m, a) for i, m, a in zip(at, members, state)]

    totals = _row_by_row(emitter, node, home, reduction_axes(emitter, node), {}, start, body)
    result: ir.Value | None = None
    with emitter.scopes.at(home):
        for member, i, total in zip(members, at, totals):
            value = with_init(emitter, node, i, total)
            simplified = tuple(emitter.space.simplify(e) for e in i)
            home.memo[(node.number, tuple(map(str, simplified)), member.guard)] = value
            if member.offset == element.offset and member.tile_offset == element.tile_offset:
                result = value
    if result is None:
        raise ValueError("the element is not part of its step")
    return result


def accumulate_lanes(
    emitter: Emitter, node: Reduced, index: Sequence[Expr], values: dict[str, Dim], element: Element, acc: ir.Value
) -> ir.Value:
    """As `accumulate`, but lanes that do not exist may hold anything: they are never stored nor combined."""
    region = Region(emitter, node.stage, iteration_point(emitter, node, index, values), element)
    factors = _factors(emitter, node, region)
    if factors is not None:
        lhs, rhs = (_like(emitter, v, acc) for v in factors)
        return math.FmaOp(lhs, rhs, acc).result
    return combine(node.kind, acc, _like(emitter, region.data(node.contribution), acc))


def _row_by_row(
    emitter: Emitter,
    node: Reduced,
    home: Scope,
    axes: Sequence[Axis],
    values: dict[str, Dim],
    state: State,
    body: Callable[[dict[str, Dim], State], State],
) -> State:
    if not axes:
        return body(values, state)
    axis, rest = axes[0], axes[1:]

    def step(at: Expr, inner: State) -> State:
        return _row_by_row(emitter, node, emitter.scopes.current, rest, {**values, axis.name: at}, inner, body)

    size = axis.size
    blocked = not rest and node.kind == "add" and isinstance(lane_type(node.dtype), ir.F32Type)
    if not blocked or (isinstance(size, int) and size <= 2 * BLOCK_ROWS):
        return plain_loop(emitter, home, 0, size, 1, state, step, emitter.fresh("k"))

    def block(first: Expr, totals: State) -> State:
        inside = emitter.scopes.current
        with emitter.scopes.at(inside):
            zeros = [constant(t.type, 0.0) for t in totals]
        end = to_expr(call("min", first + BLOCK_ROWS, size))
        sums = plain_loop(emitter, inside, first, end, 1, zeros, step, emitter.fresh("k"), size=to_expr(size))
        with emitter.scopes.at(inside):
            return [combine("add", t, s) for t, s in zip(totals, sums)]

    return plain_loop(emitter, home, 0, size, BLOCK_ROWS, state, block, emitter.fresh("b"))
