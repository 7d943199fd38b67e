"""Positions of largest elements: along the lanes of a row, or row by row with independent lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.core.mlir import arith, ir, vector
from tilewright.core.symbolic import Expr, to_expr
from tilewright.lowering.loops.combine import neutral
from tilewright.lowering.loops.element import SCALAR, Element
from tilewright.lowering.loops.graph import Argmax
from tilewright.lowering.loops.scopes import Scope
from tilewright.lowering.loops.types import broadcast, constant, constant_lanes, element_of, lane_type, widen
from tilewright.lowering.loops.vector_loop import State, plain_loop, vector_loop

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter


def argmax(emitter: Emitter, node: Argmax, index: tuple[Expr, ...], element: Element, home: Scope) -> ir.Value:
    """The first position of the largest element (the first NaN, if there is one). Lanes of the result are independent; for a result
    without lanes, they run along the row."""
    if any(emitter.has_lanes(e) for e in index):
        return _argmax_across_lanes(emitter, node, index, element, home)
    if emitter.width == 1 or not _is_narrow(emitter, node):
        return _argmax_one_by_one(emitter, node, index, home)
    width, unroll = emitter.width, 4
    scalar, i32 = widen(lane_type(node.source.dtype)), ir.IntegerType.get_signless(32)
    with emitter.scopes.at(home):
        best = neutral("max", ir.VectorType.get([width], scalar))
        nowhere = constant(ir.VectorType.get([width], i32), 0)
        numbers = constant_lanes(range(width), i32)

    def step(at: Expr, element: Element, state: State) -> State:
        value = broadcast(emitter.value(node.source, node.source_index(index, at), element), width)
        if element.mask is not None:
            value = arith.SelectOp(element.mask, value, best).result
        first = arith.IndexCastOp(i32, emitter.scopes.index(at)).result
        here = arith.AddIOp(broadcast(first, width), numbers).result
        better = is_better(value, state[0])
        return [arith.SelectOp(better, new, old).result for new, old in zip((value, here), state)]

    states = vector_loop(emitter, home, 0, node.source.shape[node.dim], unroll, [[best, nowhere]] * unroll, step)
    with emitter.scopes.at(home):
        while len(states) > 1:
            states = [_earlier_of_best(states[k], states[k + 1]) for k in range(0, len(states), 2)]
        state, distance = states[0], width // 2
        while distance:
            lanes = ir.DenseI64ArrayAttr.get([i ^ distance for i in range(width)])
            state = _earlier_of_best(state, [vector.ShuffleOp(v, v, lanes).result for v in state])
            distance //= 2
        position = vector.ExtractOp(state[1], [], ir.DenseI64ArrayAttr.get([0])).result
        return arith.ExtSIOp(ir.IntegerType.get_signless(64), position).result


def _is_narrow(emitter: Emitter, node: Argmax) -> bool:
    """Whether positions fit in 32 bits."""
    return to_expr(node.source.shape[node.dim]).bounds(emitter.graph.size_ranges)[1] < 1 << 31


def _earlier_of_best(lhs: State, rhs: State) -> State:
    """Of two (value, position) pairs the better one, of equal ones the first."""
    right = is_better(rhs[0], lhs[0])
    left = is_better(lhs[0], rhs[0])
    equal = arith.XOrIOp(arith.OrIOp(left, right).result, constant(left.type, True)).result
    earlier = arith.CmpIOp(arith.CmpIPredicate.slt, rhs[1], lhs[1]).result
    take = arith.OrIOp(right, arith.AndIOp(equal, earlier).result).result
    return [arith.SelectOp(take, b, a).result for a, b in zip(lhs, rhs)]


def _argmax_across_lanes(emitter: Emitter, node: Argmax, index: tuple[Expr, ...], element: Element, home: Scope) -> ir.Value:
    i64 = ir.IntegerType.get_signless(64)
    with emitter.scopes.at(home):
        best = neutral("max", ir.VectorType.get([emitter.width], widen(lane_type(node.source.dtype))))
        nowhere = constant(ir.VectorType.get([emitter.width], i64), 0)

    def step(at: Expr, state: State) -> State:
        value = broadcast(emitter.value(node.source, node.source_index(index, at), element), emitter.width)
        here = broadcast(arith.IndexCastOp(i64, emitter.scopes.index(at)).result, emitter.width)
        better = is_better(value, state[0])
        return [arith.SelectOp(better, new, old).result for new, old in zip((value, here), state)]

    return plain_loop(emitter, home, 0, node.source.shape[node.dim], 1, [best, nowhere], step, emitter.fresh("k"))[1]


def _argmax_one_by_one(emitter: Emitter, node: Argmax, index: tuple[Expr, ...], home: Scope) -> ir.Value:
    i64 = ir.IntegerType.get_signless(64)
    if emitter.width > 1:
        emitter.slow_paths.append("argmax compares one element at a time, because positions may need 64 bits")
    with emitter.scopes.at(home):
        start = [neutral("max", widen(lane_type(node.source.dtype))), constant(i64, 0)]

    def step(at: Expr, state: State) -> State:
        value = emitter.value(node.source, node.source_index(index, at), SCALAR)
        here = arith.IndexCastOp(i64, emitter.scopes.index(at)).result
        better = is_better(value, state[0])
        return [arith.SelectOp(better, new, old).result for new, old in zip((value, here), state)]

    return plain_loop(emitter, home, 0, node.source.shape[node.dim], 1, start, step, emitter.fresh("k"))[1]


def is_better(value: ir.Value, best: ir.Value) -> ir.Value:
    """Larger, or the first NaN."""
    if not isinstance(element_of(value.type), ir.F32Type | ir.F64Type):
        return arith.CmpIOp(arith.CmpIPredicate.sgt, value, best).result
    not_less = arith.CmpFOp(arith.CmpFPredicate.UGT, value, best).result
    best_is_number = arith.CmpFOp(arith.CmpFPredicate.ORD, best, best).result
    return arith.AndIOp(not_less, best_is_number).result
