"""Reductions by all threads of a row: each its part, then shuffles within a warp, then shared memory between the warps of a block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tilewright.core.mlir import arith, gpu, ir, memref, scf
from tilewright.core.symbolic import Expr
from tilewright.lowering.gpu.thread_loop import Chunk, Values, chunk_width, for_each_chunk
from tilewright.lowering.loops.argmax import is_better
from tilewright.lowering.loops.combine import combine, neutral, tree
from tilewright.lowering.loops.domain import Axis
from tilewright.lowering.loops.element import Element
from tilewright.lowering.loops.graph import Argmax, Reduced
from tilewright.lowering.loops.reductions import accumulate, reduction_axes, to_scalar, with_init
from tilewright.lowering.loops.scopes import Scope
from tilewright.lowering.loops.types import constant, lane_type
from tilewright.lowering.loops.vector_loop import State

if TYPE_CHECKING:
    from tilewright.lowering.gpu.emitter import DeviceEmitter, Row

Combine = Callable[[Sequence[ir.Value], Sequence[ir.Value]], list[ir.Value]]
"""Combines two partial results, each one or more values."""


def reduce(emitter: DeviceEmitter, node: Reduced, index: tuple[Expr, ...], home: Scope) -> ir.Value:
    """The reduction at an index that all threads of the row share; all of them get the result."""
    axes = reduction_axes(emitter, node)
    row = emitter.row
    assert row is not None
    if not axes:
        return to_scalar(emitter, node, index, home)
    scalar = lane_type(node.dtype)
    with emitter.scopes.at(home):
        start = [neutral(node.kind, scalar) for _ in range(chunk_width(emitter, axes))]

    def step(values: Values, chunk: Chunk, state: State) -> State:
        totals = []
        for offset, total in enumerate(state):
            at = {**values, axes[-1].name: values[axes[-1].name] + offset}
            totals.append(accumulate(emitter, node, index, at, Element(None, offset, chunk.valid), total))
        return totals

    totals = for_each_chunk(emitter, row, axes, start, step)
    with emitter.scopes.at(home):
        own = tree(node.kind, totals)
        (total,) = _exchange(emitter, row, [own], lambda lhs, rhs: [combine(node.kind, lhs[0], rhs[0])])
        return with_init(emitter, node, index, total)


def argmax(emitter: DeviceEmitter, node: Argmax, index: tuple[Expr, ...], element: Element, home: Scope) -> ir.Value:
    """The first position of the largest element (of the first NaN, if there is one) of a row, as i64."""
    row = emitter.row
    assert row is not None
    axis = Axis(emitter.fresh("m"), node.source.shape[node.dim])
    i64 = ir.IntegerType.get_signless(64)
    with emitter.scopes.at(home):
        # Threads without an element hold a position behind all others.
        start = [neutral("max", lane_type(node.source.dtype)), constant(i64, 2**62)]

    def step(values: Values, chunk: Chunk, state: State) -> State:
        for offset in range(chunk.width):
            at = values[axis.name] + offset
            value = emitter.value(node.source, node.source_index(index, emitter.space.simplify(at)), Element(None, offset))
            position = arith.IndexCastOp(i64, emitter.scopes.index(at)).result
            chosen = better(state, [value, position])
            if chunk.valid is not None:
                chosen = [arith.SelectOp(chunk.valid, new, old).result for new, old in zip(chosen, state)]
            state = chosen
        return state

    def better(lhs: Sequence[ir.Value], rhs: Sequence[ir.Value]) -> list[ir.Value]:
        larger, smaller = is_better(rhs[0], lhs[0]), is_better(lhs[0], rhs[0])
        earlier = arith.CmpIOp(arith.CmpIPredicate.slt, rhs[1], lhs[1]).result
        neither = arith.XOrIOp(smaller, constant(smaller.type, True)).result
        take = arith.OrIOp(larger, arith.AndIOp(earlier, neither).result).result
        return [arith.SelectOp(take, new, old).result for new, old in zip(rhs, lhs)]

    best = for_each_chunk(emitter, row, [axis], start, step)
    with emitter.scopes.at(home):
        return _exchange(emitter, row, best, better)[1]


def _exchange(emitter: DeviceEmitter, row: Row, values: Sequence[ir.Value], join: Combine) -> list[ir.Value]:
    """The combination of the values of all threads of the row, in all of them."""
    values = _butterfly(values, join, min(row.group, emitter.warp))
    warps = row.group // emitter.warp
    return _across_warps(emitter, row, values, join, warps) if warps > 1 else values


def _butterfly(values: Sequence[ir.Value], join: Combine, width: int) -> list[ir.Value]:
    values = list(values)
    distance = width // 2
    while distance:
        values = join(values, [shuffle(v, distance) for v in values])
        distance //= 2
    return values


def _across_warps(emitter: DeviceEmitter, row: Row, values: Sequence[ir.Value], join: Combine, warps: int) -> list[ir.Value]:
    index, scopes = ir.IndexType.get(), emitter.scopes
    thread = scopes.lookup(row.thread)
    lane = arith.RemUIOp(thread, scopes.index(emitter.warp)).result
    number = arith.DivUIOp(thread, scopes.index(emitter.warp)).result
    buffers = [emitter.shared.allocate(warps, v.type) for v in values]
    first = scf.IfOp(arith.CmpIOp(arith.CmpIPredicate.eq, lane, constant(index, 0)).result)
    with ir.InsertionPoint(first.then_block):
        for buffer, value in zip(buffers, values):
            memref.StoreOp(value, buffer, [number])
        scf.YieldOp([])
    gpu.BarrierOp()
    slot = arith.RemUIOp(lane, scopes.index(warps)).result
    return _butterfly([memref.LoadOp(buffer, [slot]).result for buffer in buffers], join, warps)


def shuffle(value: ir.Value, distance: int) -> ir.Value:
    """The value of the thread whose number in the warp differs in the bit `distance`. Warps exchange 32 bits at a time."""
    i32, i64 = (ir.IntegerType.get_signless(n) for n in (32, 64))
    kind = value.type
    if kind in (i32, ir.F32Type.get()):
        width = constant(i32, 32)
        return gpu.ShuffleOp(value, constant(i32, distance), width, gpu.ShuffleMode.XOR).shuffleResult
    if isinstance(kind, ir.F64Type):
        return arith.BitcastOp(kind, shuffle(arith.BitcastOp(i64, value).result, distance)).result
    if kind == i64:
        low = arith.TruncIOp(i32, value).result
        high = arith.TruncIOp(i32, arith.ShRUIOp(value, constant(i64, 32)).result).result
        low, high = (arith.ExtUIOp(i64, shuffle(v, distance)).result for v in (low, high))
        return arith.OrIOp(low, arith.ShLIOp(high, constant(i64, 32)).result).result
    return arith.TruncIOp(kind, shuffle(arith.ExtUIOp(i32, value).result, distance)).result
