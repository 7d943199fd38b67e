"""Loops: plain ones over rows, and vectorized ones as an unrolled main loop, a one-vector loop and one masked tail."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tilewright.core.mlir import arith, ir, scf
from tilewright.core.symbolic import Dim, Expr, call, symbol, to_expr
from tilewright.lowering.loops import memory
from tilewright.lowering.loops.element import Element, Lane
from tilewright.lowering.loops.scopes import Scope

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter

State = list[ir.Value]
INLINE_VECTORS = 8
"""Static ranges of at most so many vectors need no loop."""


def plain_loop(
    emitter: Emitter,
    home: Scope,
    low: Dim,
    high: Dim,
    step: int,
    state: Sequence[ir.Value],
    body: Callable[[Expr, State], State],
    name: str,
    size: Dim | None = None,
) -> State:
    """`for name in range(low, high, step)` in `home`, carrying `state`. `size`: the index is known to be within [0, size) (default: within
    [low, high))."""
    scopes = emitter.scopes
    index = emitter.space.define(name, to_expr(high) - low, low) if size is None else emitter.space.define(name, size)
    with scopes.at(home):
        first, last, by = (scopes.index(to_expr(v)) for v in (low, high, step))
        loop = scf.ForOp(first, last, by, list(state))
    with scopes.before(home, loop.operation), scopes.enter(loop.body, {name: loop.induction_variable}):
        scf.YieldOp(body(index, list(loop.inner_iter_args)))
    return list(loop.results_)


@contextmanager
def lane_scope(emitter: Emitter, lane: Lane) -> Generator[None]:
    """While inside, the lane's symbol is one that has lanes."""
    emitter.lanes[lane.name] = lane
    try:
        yield
    finally:
        del emitter.lanes[lane.name]


def vector_loop(
    emitter: Emitter,
    home: Scope,
    low: Dim,
    high: Dim,
    unroll: int,
    slots: list[State],
    body: Callable[[Expr, Element, State], State],
    known: tuple[Expr, Expr] | None = None,
) -> list[State]:
    """Vectors of `emitter.width` elements from `low` to `high`, in `home`.

    `slots` are `unroll` independent states, one for each vector of a step of the main loop; the rest uses the first. `body(index, element,
    state)` emits one vector at lane index `index` and returns the new state. `known`: a simpler range that contains all lanes.
    Returns the states.
    """
    width = emitter.width
    low, high = to_expr(low), to_expr(high)
    count = (high - low).constant()
    step = unroll * width
    if count is not None:
        return _static(emitter, home, low, high, count, unroll, slots, body)
    known = known or (low, high)
    span = high - low
    if not emitter.space.nonnegative(span):
        # Divisions are unsigned, and a range may be empty in the wrong direction.
        span = to_expr(call("max", span, 0))
    main_end = low + to_expr(call("floordiv", span, step)) * step
    slots = _looped(emitter, home, low, main_end, known, unroll, slots, body)
    vector_end = main_end
    if unroll > 1:
        vector_end = low + to_expr(call("floordiv", span, width)) * width
        slots[:1] = _looped(emitter, home, main_end, vector_end, known, 1, slots[:1], body)
    slots[0] = _dynamic_tail(emitter, home, vector_end, high, known, slots[0], body)
    return slots


def _static(
    emitter: Emitter,
    home: Scope,
    low: Expr,
    high: Expr,
    count: int,
    unroll: int,
    slots: list[State],
    body: Callable[[Expr, Element, State], State],
) -> list[State]:
    width = emitter.width
    main = count // (unroll * width) * (unroll * width)
    if count <= INLINE_VECTORS * width:
        main = 0
    if main > unroll * width:
        slots = _looped(emitter, home, low, low + main, (low, high), unroll, slots, body)
    elif main:
        slots = _inline(emitter, home, low, high, [k * width for k in range(unroll)], slots, body, {})
    vectors = (count - main) // width
    rest = count - main - vectors * width
    offsets = [k * width for k in range(vectors + (1 if rest else 0))]
    if offsets:
        masks: dict[int, ir.Value] = {}
        if rest:
            with emitter.scopes.at(home):
                masks[vectors * width] = memory.tail_mask(width, emitter.scopes.index(rest))
        slots = _inline(emitter, home, low + main, high, offsets, slots, body, masks)
    return slots


def _looped(
    emitter: Emitter,
    home: Scope,
    low: Expr,
    end: Expr,
    known: tuple[Expr, Expr],
    unroll: int,
    slots: list[State],
    body: Callable[[Expr, Element, State], State],
) -> list[State]:
    width = emitter.width
    name = emitter.fresh("l")
    lane = Lane(name, tuple(k * width for k in range(unroll)), {}, *known)
    sizes = [len(s) for s in slots]

    def step(_: Expr, state: State) -> State:
        with lane_scope(emitter, lane):
            return _flat(_vectors(lane, _split(state, sizes), body))

    return _split(plain_loop(emitter, home, low, end, unroll * width, _flat(slots), step, name), sizes)


def _inline(
    emitter: Emitter,
    home: Scope,
    start: Expr,
    high: Expr,
    offsets: Sequence[int],
    slots: list[State],
    body: Callable[[Expr, Element, State], State],
    masks: dict[int, ir.Value],
) -> list[State]:
    """Vectors without a loop."""
    name = emitter.fresh("l")
    lane = Lane(name, tuple(offsets), masks, start, high, fixed=True)
    # The range is that of the index of each lane, not of the first.
    emitter.space.redefine(name, start, high - 1)
    with emitter.scopes.enter_inline(home, {name: emitter.scopes.index(start)}), lane_scope(emitter, lane):
        return _vectors(lane, slots, body)


def _vectors(lane: Lane, slots: list[State], body: Callable[[Expr, Element, State], State]) -> list[State]:
    slots = list(slots)
    for position, offset in enumerate(lane.offsets):
        slot = position % len(slots)
        slots[slot] = body(symbol(lane.name) + offset, Element(lane, offset, lane.masks.get(offset)), slots[slot])
    return slots


def _dynamic_tail(
    emitter: Emitter,
    home: Scope,
    start: Expr,
    high: Expr,
    known: tuple[Expr, Expr],
    state: State,
    body: Callable[[Expr, Element, State], State],
) -> State:
    scopes = emitter.scopes
    with scopes.at(home):
        first, last = scopes.index(start), scopes.index(high)
        is_left = arith.CmpIOp(arith.CmpIPredicate.slt, first, last).result
        branch = scf.IfOp(is_left, [v.type for v in state], has_else=bool(state))
    name = emitter.fresh("l")
    emitter.space.redefine(name, known[0], known[1] - 1)
    with scopes.before(home, branch.operation), scopes.enter(branch.then_block, {name: first}):
        count = arith.SubIOp(last, first).result
        mask = memory.tail_mask(emitter.width, count)
        lane = Lane(name, (0,), {0: mask}, *known)
        with lane_scope(emitter, lane):
            scf.YieldOp(body(symbol(name), Element(lane, 0, mask), list(state)))
    if state:
        with ir.InsertionPoint(branch.operation.regions[1].blocks[0]):
            scf.YieldOp(list(state))
    return list(branch.results_)


def over_registers(emitter: Emitter, lane: Lane, slots: list[State], body: Callable[[Expr, Element, State], State]) -> list[State]:
    """As `vector_loop` without a loop, over the vectors of a row that stays in registers (`lane` covers the row)."""
    return _vectors(lane, slots, body)


def _flat(slots: Sequence[State]) -> State:
    return [v for slot in slots for v in slot]


def _split(values: Sequence[ir.Value], sizes: Sequence[int]) -> list[State]:
    result, position = [], 0
    for size in sizes:
        result.append(list(values[position : position + size]))
        position += size
    return result
