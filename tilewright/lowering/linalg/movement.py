"""Movement as indexing maps where a map can say it, else as loads at computed indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, linalg, scf, tensor
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, index_constant, scalar_constant
from tilewright.lowering.linalg.registry import lowers


@lowers("reshape")
def reshape(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """collapse_shape and expand_shape."""
    return builder.reshape(builder.of(op.operation.operands[0]), tw.tensor_info(op.operation.results[0]).shape)


@lowers("transpose")
def transpose(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """A permuted indexing map."""
    value, info = builder.of(op.operation.operands[0]), tw.tensor_info(op.operation.results[0])
    permutation = tuple(tw.get(op, "permutation"))
    exprs = [ir.AffineDimExpr.get(permutation.index(i)) for i in range(info.rank)]
    indexing, identity = ir.AffineMap.get(info.rank, 0, exprs), ir.AffineMap.get_identity(info.rank)
    (out,) = builder.generic([value], [indexing], [builder.empty(info)], [identity], ["parallel"] * info.rank, lambda x, _: x)
    return out


@lowers("broadcast")
def broadcast(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """An indexing map that drops dimensions."""
    info = tw.tensor_info(op.operation.results[0])
    return builder.pointwise([builder.of(op.operation.operands[0])], info, lambda x: x)


def _indexed(builder: LinalgBuilder, info: tw.TensorInfo, body: Callable[[list[ir.Value]], ir.Value]) -> ir.Value:
    """A generic without inputs whose region computes from the indices."""
    return builder.pointwise([], info, lambda: body([linalg.IndexOp(i).result for i in range(info.rank)]))


def _plus(builder: LinalgBuilder, index: ir.Value, offset: Dim, sign: int = 1) -> ir.Value:
    if to_expr(offset) == 0:
        return index
    return (arith.AddIOp if sign > 0 else arith.SubIOp)(index, builder.size(offset)).result


@lowers("slice")
def slice_(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """A load at `start + index * step`."""
    value, info = builder.of(op.operation.operands[0]), tw.tensor_info(op.operation.results[0])
    starts, steps = tw.get(op, "starts"), tw.get(op, "steps")
    for start in starts:
        builder.size(start)

    def body(index: list[ir.Value]) -> ir.Value:
        scaled = [i if s == 1 else arith.MulIOp(i, index_constant(s)).result for i, s in zip(index, steps)]
        return tensor.ExtractOp(value, [_plus(builder, i, start) for i, start in zip(scaled, starts)]).result

    return _indexed(builder, info, body)


@lowers("reverse")
def reverse(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """A load at `size - 1 - index`."""
    value, info = builder.of(op.operation.operands[0]), tw.tensor_info(op.operation.results[0])
    dims = tuple(tw.get(op, "dims"))
    last = {d: builder.size(to_expr(info.shape[d]) - 1) for d in dims}

    def body(index: list[ir.Value]) -> ir.Value:
        flipped = [arith.SubIOp(last[d], i).result if d in last else i for d, i in enumerate(index)]
        return tensor.ExtractOp(value, flipped).result

    return _indexed(builder, info, body)


def choose(condition: ir.Value, element: ir.Type, true: Callable[[], ir.Value], false: Callable[[], ir.Value]) -> ir.Value:
    """`scf.if` that yields one scalar: only the branch taken loads."""
    branch = scf.IfOp(condition, [element], has_else=True)
    for region, build in zip(branch.operation.regions, (true, false)):
        with ir.InsertionPoint(region.blocks[0]):
            scf.YieldOp([build()])
    return branch.results_[0]


def _below(index: ir.Value, bound: ir.Value) -> ir.Value:
    return arith.CmpIOp(arith.CmpIPredicate.ult, index, bound).result


@lowers("concat")
def concat(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """A chain of conditions on the index along the joined dimension."""
    values = [builder.of(v) for v in op.operation.operands]
    info, dim = tw.tensor_info(op.operation.results[0]), int(tw.get(op, "dim"))
    ends: list[Dim] = []
    total = to_expr(0)
    for value in values:
        total = total + tw.tensor_info(value).shape[dim]
        ends.append(total)
    for end in ends:
        builder.size(end)

    def body(index: list[ir.Value]) -> ir.Value:
        def load(position: int) -> ir.Value:
            start: Dim = ends[position - 1] if position else 0
            at = list(index)
            at[dim] = _plus(builder, index[dim], start, -1)
            return tensor.ExtractOp(values[position], at).result

        def from_position(position: int) -> ir.Value:
            if position == len(values) - 1:
                return load(position)
            condition = _below(index[dim], builder.size(ends[position]))
            return choose(condition, tw.element_type(info.dtype), lambda: load(position), lambda: from_position(position + 1))

        return from_position(0)

    return _indexed(builder, info, body)


@lowers("pad")
def pad(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """Inside the input a load, outside the fill value."""
    value, info = builder.of(op.operation.operands[0]), tw.tensor_info(op.operation.results[0])
    source = tw.tensor_info(value)
    low, high = tw.get(op, "low"), tw.get(op, "high")
    element = tw.element_type(info.dtype)
    padded = [d for d in range(info.rank) if to_expr(low[d]) != 0 or to_expr(high[d]) != 0]
    for d in range(info.rank):
        builder.size(low[d])
        builder.size(to_expr(low[d]) + source.shape[d])

    def body(index: list[ir.Value]) -> ir.Value:
        def fill() -> ir.Value:
            return scalar_constant(tw.get(op, "value"), info.dtype)

        def inside(rest: Sequence[int]) -> ir.Value:
            if not rest:
                return tensor.ExtractOp(value, [_plus(builder, i, start, -1) for i, start in zip(index, low)]).result
            d = rest[0]
            above = arith.CmpIOp(arith.CmpIPredicate.sge, index[d], builder.size(low[d])).result
            below = arith.CmpIOp(arith.CmpIPredicate.slt, index[d], builder.size(to_expr(low[d]) + source.shape[d])).result
            return choose(above, element, lambda: choose(below, element, lambda: inside(rest[1:]), fill), fill)

        return inside(padded)

    return _indexed(builder, info, body)
