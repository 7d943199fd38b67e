"""Sections that transpose: square tiles in registers, in bands of two cache lines of the result.

A band is a unit of work: `BAND_VECTORS` vectors of the lane loop, and the whole tile loop. Within a band the tile loop is outside, so
that the loads walk along whole rows of the source, and every row of the result gets two neighbouring lines one after the other. The
stores meet a new row each time, far from the last one: their lines are fetched one tile ahead.
"""

from __future__ import annotations

from collections.abc import Callable

from tilewright.core.mlir import arith, memref, scf
from tilewright.core.symbolic import Dim, Expr, call, symbol, to_expr
from tilewright.lowering.loops.domain import Axis
from tilewright.lowering.loops.element import Element, Lane
from tilewright.lowering.loops.emitter import Emitter
from tilewright.lowering.loops.outputs import Values, output_address, store_outputs
from tilewright.lowering.loops.plan import Section
from tilewright.lowering.loops.vector_loop import State, lane_scope, plain_loop

BAND_VECTORS = 2
ComputeLanes = Callable[[Emitter, Section, Values, Expr, Expr, int], None]


def emit_band(emitter: Emitter, section: Section, values: Values, band: Expr, compute_lanes: ComputeLanes) -> None:
    """One band: by tiles where both loops have at least a vector of elements, by `compute_lanes` one step of the tile loop at a time
    otherwise."""
    emitter.row_depth = emitter.scopes.current.depth
    tile, lane = section.tile, section.lane
    assert tile is not None and lane is not None
    large = [_at_least(emitter, a.size, emitter.width) for a in (tile, lane)]
    if False in large:
        _by_lanes(emitter, section, values, band, compute_lanes)
    elif None not in large:
        _by_tiles(emitter, section, values, band)
    else:
        scopes = emitter.scopes
        sizes = [scopes.index(to_expr(a.size)) for a, known in zip((tile, lane), large) if known is None]
        limit = scopes.index(emitter.width)
        flags = [arith.CmpIOp(arith.CmpIPredicate.sge, s, limit).result for s in sizes]
        branch = scf.IfOp(flags[0] if len(flags) == 1 else arith.AndIOp(*flags).result, has_else=True)
        home = scopes.current
        tiled, strided = branch.operation.regions
        with scopes.before(home, branch.operation), scopes.enter(tiled.blocks[0], {}):
            _by_tiles(emitter, section, values, band)
            scf.YieldOp([])
        with scopes.before(home, branch.operation), scopes.enter(strided.blocks[0], {}):
            _by_lanes(emitter, section, values, band, compute_lanes)
            scf.YieldOp([])


def _at_least(emitter: Emitter, size: Dim, width: int) -> bool | None:
    low, high = to_expr(size).bounds(emitter.graph.size_ranges)
    return True if low >= width else False if high < width else None


def _range_of_band(emitter: Emitter, lane: Axis, band: Expr) -> tuple[Expr, Expr]:
    length = BAND_VECTORS * emitter.width
    return band * length, to_expr(call("min", band * length + length, lane.size))


def _by_tiles(emitter: Emitter, section: Section, values: Values, band: Expr) -> None:
    tile, lane = section.tile, section.lane
    assert tile is not None and lane is not None
    first, end = _range_of_band(emitter, lane, band)

    def lanes_of(tile_name: str) -> None:
        _squares(emitter, lane, first, end, lambda lane_name: _one_tile(emitter, section, values, tile_name, lane_name))

    _squares(emitter, tile, to_expr(0), to_expr(tile.size), lanes_of)


def _squares(emitter: Emitter, axis: Axis, low: Expr, high: Expr, body: Callable[[str], None]) -> None:
    """A loop in steps of a vector; `body` gets the symbol of the first element. A last step that does not fit is moved back to the end
    of the axis."""
    width, scopes = emitter.width, emitter.scopes

    def step(at: Expr, state: State) -> State:
        name = emitter.fresh("t")
        emitter.space.redefine(name, 0, to_expr(axis.size) - width)
        fits = to_expr(axis.size).divide_exactly(width) is not None
        start = at if fits else to_expr(call("min", at, to_expr(axis.size) - width))
        with scopes.enter_inline(scopes.current, {name: scopes.index(start)}):
            body(name)
        return state

    plain_loop(emitter, scopes.current, low, high, width, [], step, emitter.fresh("n"), size=axis.size)


def _one_tile(emitter: Emitter, section: Section, values: Values, tile_name: str, lane_name: str) -> None:
    width = emitter.width
    tile, lane = section.tile, section.lane
    assert tile is not None and lane is not None
    own = Lane(lane_name, (0,), {}, 0, lane.size, tile_name, tuple(range(width)))
    with lane_scope(emitter, own):
        for k in range(width):
            ahead = {**values, lane.name: symbol(lane_name), tile.name: symbol(tile_name) + width + k}
            for position, node in section.outputs:
                address = emitter.scopes.index(output_address(emitter, section, node, ahead))
                memref.PrefetchOp(emitter.outputs[position].view, [address], True, 3, True)
        for k in range(width):
            at = {**values, lane.name: symbol(lane_name), tile.name: symbol(tile_name) + k}
            store_outputs(emitter, section, at, Element(own, 0, None, 0, k))


def _by_lanes(emitter: Emitter, section: Section, values: Values, band: Expr, compute_lanes: ComputeLanes) -> None:
    """Too few elements for a tile."""
    tile, lane = section.tile, section.lane
    assert tile is not None and lane is not None
    first, end = _range_of_band(emitter, lane, band)

    def step(at: Expr, _: State) -> State:
        compute_lanes(emitter, section, {**values, tile.name: at}, first, end, 1)
        return []

    plain_loop(emitter, emitter.scopes.current, 0, tile.size, 1, [], step, emitter.fresh("n"), size=tile.size)
