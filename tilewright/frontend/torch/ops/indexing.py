"""Access by computed indices: lookups, gathers, scatters."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.emitter import Emitter, Operand
from tilewright.frontend.torch.ops.movement import start_index
from tilewright.frontend.torch.registry import imports, target_name

_MASK = "the number of elements that a boolean mask selects depends on data; use torch.where instead"

# Ops that only move or copy elements: their results are as large as their first input.
_MOVES = {
    "unsqueeze", "view", "reshape", "expand", "slice", "select", "alias", "clone", "to", "_to_copy", "permute", "transpose", "squeeze",
    "index_select", "flatten", "repeat", "detach", "contiguous", "long", "int", "abs", "expand_as", "flip", "roll",
}  # fmt: skip


@imports("aten.embedding.default")
def embedding(emit: Emitter, table: ir.Value, indices: ir.Value, *_: object) -> ir.Value:
    return emit.build("gather", table, [_as_index(emit, indices)], axes=(0,))


@imports("aten.index_select.default")
def index_select(emit: Emitter, x: ir.Value, dim: int, index: ir.Value) -> ir.Value:
    axis = emit.axis(dim, tw.tensor_info(x).rank)
    return emit.reshape(emit.build("gather", x, [_as_index(emit, index)], axes=(axis,)), emit.expected.shape)


def _as_index(emit: Emitter, index: ir.Value) -> ir.Value:
    return index if tw.tensor_info(index).dtype in ("i32", "i64") else emit.cast(index, "i64")


@imports("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index(emit: Emitter, x: ir.Value, indices: Sequence[ir.Value | None]) -> ir.Value:
    axes, wrapped = _index_operands(emit, x, indices)
    if any(tw.tensor_info(i).dtype == "i1" for i in wrapped):
        emit.reject("indexing by a boolean mask", _MASK)
    if axes != list(range(axes[0], axes[0] + len(axes))):
        # Indexed dimensions that are apart move to the front, as torch defines it.
        rank = tw.tensor_info(x).rank
        x = emit.transpose(x, [*axes, *(d for d in range(rank) if d not in axes)])
        axes = list(range(len(axes)))
    return emit.build("gather", x, wrapped, axes=tuple(axes))


def _index_operands(emit: Emitter, x: ir.Value, indices: Sequence[ir.Value | None]) -> tuple[list[int], list[ir.Value]]:
    """Indexed axes and their indices, negative ones counted from the end. Masks come as they are."""
    shape = tw.tensor_info(x).shape
    nodes = emit.node.args[1]
    axes: list[int] = []
    values: list[ir.Value] = []
    for axis, value in enumerate(indices):
        if value is None:
            continue
        axes.append(axis)
        if tw.tensor_info(value).dtype == "i1":
            values.append(value)
            continue
        values.append(wrapped_index(emit, value, nodes[axis], shape[axis]))  # type: ignore[index]
    if not axes:
        emit.reject("indexing without an index")
    return axes, values


def wrapped_index(emit: Emitter, index: ir.Value, node: object, extent: Dim) -> ir.Value:
    """The indices that a node stands for, negative ones counted from the end of a dimension of size `extent`."""
    index = _as_index(emit, index)
    return index if non_negative(emit, node) else _wrap_negative(emit, index, extent)


def _wrap_negative(emit: Emitter, index: ir.Value, extent: Dim) -> ir.Value:
    dtype = tw.tensor_info(index).dtype
    return emit.map(lambda i, n: sc.select(sc.compare("lt", i, sc.like(i, 0)), sc.add(i, n), i), index, extent, compute=dtype, out=dtype)


def non_negative(emit: Emitter, node: object) -> bool:
    """True when the elements of a node are provably 0 or more: index sequences and what is made of them."""
    if isinstance(node, bool | int | float):
        return node >= 0
    if not isinstance(node, torch.fx.Node):
        return False
    value = node.meta.get("val")
    if isinstance(value, torch.SymInt | int):
        return to_expr(emit.symbols.dim(value)).bounds(emit.symbols.ranges)[0] >= 0
    if node.op == "placeholder":
        return emit.is_non_negative_constant(node.name)
    name = target_name(node.target).split(".")
    op = name[1] if len(name) > 1 else name[0]
    args = node.args
    if op == "arange":
        bounds = [a for a in args if not isinstance(a, torch.dtype)]
        return len(bounds) == 1 or (non_negative(emit, bounds[0]) and (len(bounds) < 3 or non_negative(emit, bounds[2])))
    if op in _MOVES:
        return non_negative(emit, args[0])
    if op in ("add", "mul", "floor_divide", "maximum"):
        return all(non_negative(emit, a) for a in args) and not node.kwargs
    if op in ("cumsum", "sum", "gather", "index"):
        return non_negative(emit, args[0])
    if op in ("clamp", "clamp_min"):
        return len(args) > 1 and args[1] is not None and non_negative(emit, args[1])
    return op in ("argmax", "argmin", "eq", "ne", "lt", "le", "gt", "ge")


def _all_axes_indices(emit: Emitter, x: ir.Value, dim: int, index: ir.Value) -> tuple[ir.Value, list[ir.Value]]:
    """x without dimensions of size 1 besides `dim`, and one index tensor for each dimension left: `index` for `dim`, positions else."""
    shape, index_shape = tw.tensor_info(x).shape, tw.tensor_info(index).shape
    kept = [d for d in range(len(shape)) if d == dim or not (shape[d] == 1 and index_shape[d] == 1)]
    positions = [index if d == dim else emit.iota(index_shape[d], rank=len(shape), dim=d) for d in kept]
    return emit.reshape(x, [shape[d] for d in kept]), positions


@imports("aten.gather.default")
def gather(emit: Emitter, x: ir.Value, dim: int, index: ir.Value, *, sparse_grad: bool = False) -> ir.Value:
    """`out[i][j][k] = x[index[i][j][k]][j][k]` for dim 0."""
    rank = tw.tensor_info(x).rank
    index = _as_index(emit, index)
    if rank == 0:
        return emit.broadcast(x, tw.tensor_info(index).shape)
    if tw.tensor_info(index).rank == 0:
        index = emit.reshape(index, (1,))
    table, indices = _all_axes_indices(emit, x, emit.axis(dim, rank), index)
    return emit.reshape(emit.build("gather", table, indices, axes=tuple(range(len(indices)))), emit.expected.shape)


@imports("aten.scatter.src", "aten.scatter.value", "aten.scatter_add.default")
def scatter(emit: Emitter, x: ir.Value, dim: int, index: ir.Value, source: Operand) -> ir.Value:
    """The inverse of gather: `out[index[i][j][k]][j][k] = source[i][j][k]` for dim 0."""
    info = tw.tensor_info(x)
    if info.rank == 0:
        emit.reject("scatter into a tensor without dimensions")
    index = _as_index(emit, index)
    index_shape = tw.tensor_info(index).shape
    updates = emit.tensor(source, info.dtype)
    if tw.tensor_info(updates).rank == info.rank:
        for d, size in enumerate(index_shape):
            updates = emit.slice(updates, d, 0, size)
    table, indices = _all_axes_indices(emit, x, emit.axis(dim, info.rank), index)
    kind = "add" if "scatter_add" in str(emit.node.target) else "set"
    return emit.reshape(emit.build("scatter", table, updates, indices, axes=tuple(range(len(indices))), kind=kind), info.shape)


@imports("aten.index_put.default", "aten._unsafe_index_put.default")
def index_put(
    emit: Emitter, x: ir.Value, indices: Sequence[ir.Value | None], values: ir.Value, accumulate: bool = False, *_: object
) -> ir.Value:
    info = tw.tensor_info(x)
    axes, wrapped = _index_operands(emit, x, indices)
    values = emit.cast(values, info.dtype)
    if any(tw.tensor_info(i).dtype == "i1" for i in wrapped):
        return _masked_put(emit, x, axes, wrapped, values, accumulate)
    kind = "add" if accumulate else "set"
    if axes == list(range(axes[0], axes[0] + len(axes))):
        return emit.build("scatter", x, values, wrapped, axes=tuple(axes), kind=kind)
    order = [*axes, *(d for d in range(info.rank) if d not in axes)]
    moved = emit.build("scatter", emit.transpose(x, order), values, wrapped, axes=tuple(range(len(axes))), kind=kind)
    return emit.transpose(moved, [order.index(d) for d in range(info.rank)])


def _masked_put(emit: Emitter, x: ir.Value, axes: list[int], masks: list[ir.Value], values: ir.Value, accumulate: bool) -> ir.Value:
    """`x[mask] = value` for a mask over leading dimensions and a single value is a choice by element."""
    info, mask = tw.tensor_info(x), tw.tensor_info(masks[0])
    if len(masks) > 1 or axes != [0] or accumulate or tw.tensor_info(values).elements != 1:
        emit.reject("assignment of several values through a boolean mask", _MASK)
    condition = emit.reshape(masks[0], (*mask.shape, *(1,) * (info.rank - mask.rank)))
    value = emit.reshape(values, ())
    return emit.map(lambda c, v, a: sc.select(c, v, a), condition, value, x, compute=info.dtype, raw=True)


@imports("aten.index_copy.default", "aten.index_add.default")
def index_copy(emit: Emitter, x: ir.Value, dim: int, index: ir.Value, source: ir.Value, *, alpha: Operand = 1) -> ir.Value:
    info = tw.tensor_info(x)
    source = emit.cast(source, info.dtype)
    if alpha != 1:
        source = emit.map(sc.mul, source, alpha)
    kind = "add" if "index_add" in str(emit.node.target) else "set"
    axis = emit.axis(dim, info.rank)
    index = _as_index(emit, index)
    if tw.tensor_info(index).rank == 0:
        index = emit.reshape(index, (1,))
    return emit.build("scatter", x, source, [index], axes=(axis,), kind=kind)


@imports("aten.slice_scatter.default")
def slice_scatter(
    emit: Emitter, x: ir.Value, source: ir.Value, dim: int = 0, start: Dim | None = None, end: Dim | None = None, step: int = 1
) -> ir.Value:
    if step != 1:
        emit.reject(f"slice_scatter with step {step}")
    shape = tw.tensor_info(x).shape
    axis = emit.axis(dim, len(shape))
    return _replaced(emit, x, emit.cast(source, emit.dtype), axis, start_index(emit, start, shape[axis]))


@imports("aten.select_scatter.default")
def select_scatter(emit: Emitter, x: ir.Value, source: ir.Value, dim: int, index: Dim) -> ir.Value:
    shape = tw.tensor_info(x).shape
    axis = emit.axis(dim, len(shape))
    return _replaced(emit, x, emit.unsqueeze(emit.cast(source, emit.dtype), axis), axis, start_index(emit, index, shape[axis]))


def _replaced(emit: Emitter, x: ir.Value, source: ir.Value, axis: int, start: Dim) -> ir.Value:
    """x with the elements from `start` along `axis` replaced by `source`."""
    extent, size = tw.tensor_info(x).shape[axis], tw.tensor_info(source).shape[axis]
    end = simplify_dim(to_expr(start) + size)
    rest = simplify_dim(to_expr(extent) - end)
    pieces = [emit.slice(x, axis, 0, start)] if start != 0 else []
    pieces.append(source)
    if rest != 0:
        pieces.append(emit.slice(x, axis, end, rest))
    return emit.concat(pieces, axis)


@imports("aten.one_hot.default")
def one_hot(emit: Emitter, x: ir.Value, num_classes: Dim = -1) -> ir.Value:
    if not isinstance(num_classes, int) or num_classes < 1:
        emit.decompose("one_hot without a number of classes", "pass num_classes=")
    classes = emit.iota(num_classes)
    return emit.map(lambda a, c: sc.compare("eq", a, c), emit.unsqueeze(x, -1), classes, compute="i64")
