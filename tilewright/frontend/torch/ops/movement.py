"""Ops that move elements: shapes, order, pieces, joins."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, call, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.emitter import Emitter, Operand
from tilewright.frontend.torch.registry import imports


@imports("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten._reshape_alias.default", "aten.view_as.default",
         "aten.flatten.using_ints", "aten.unflatten.int", "aten.unsqueeze.default", "aten.squeeze.default", "aten.squeeze.dim",
         "aten.squeeze.dims", "aten.ravel.default", "aten.reshape_as.default", "prims.squeeze.default")  # fmt: skip
def reshape(emit: Emitter, x: ir.Value, *_: object) -> ir.Value:
    """A view means a reshape (strides are not part of a program); the shape is the one that torch computed."""
    return emit.reshape(x, emit.expected.shape)


@imports("aten.as_strided.default")
def as_strided(emit: Emitter, x: ir.Value, size: Sequence[Dim], stride: Sequence[Dim], storage_offset: Dim | None = None) -> ir.Value:
    """Only the strides of contiguous elements, which mean a reshape; torch's decompositions make them."""
    fake = emit.node.args[0].meta["val"]  # type: ignore[union-attr]
    step: Dim = 1
    dense = storage_offset in (None, 0) and fake.is_contiguous() and fake.storage_offset() == 0
    for extent, distance in reversed(list(zip(size, stride))):
        dense = dense and (extent == 1 or distance == step)
        step = simplify_dim(to_expr(step) * extent)
    if not dense or step != tw.tensor_info(x).elements:
        emit.reject(f"as_strided with strides {list(map(str, stride))}, which is no reshape", "view, permute and slicing")
    return emit.reshape(x, size)


@imports("aten.alias.default", "aten.detach.default", "aten.detach_.default", "aten.clone.default", "aten.contiguous.default",
         "aten.lift_fresh_copy.default", "aten.lift_fresh.default", "aten.lift.default", "aten._conj.default", "aten.resolve_conj.default",
         "aten.resolve_neg.default", "aten.requires_grad_.default")  # fmt: skip
def identity(emit: Emitter, x: ir.Value, *_: object, **__: object) -> ir.Value:
    """Values do not alias, so a copy is the value itself."""
    return x


@imports("aten.dropout.default", "aten.feature_dropout.default", "aten.alpha_dropout.default")
def dropout(emit: Emitter, x: ir.Value, p: float = 0.5, train: bool = True) -> ir.Value:
    if train and p != 0:
        emit.reject("dropout in training mode", "export the model in eval mode: model.eval()")
    return x


@imports("aten.native_dropout.default")
def native_dropout(emit: Emitter, x: ir.Value, p: float, train: bool | None) -> list[ir.Value | None]:
    return [dropout(emit, x, p, bool(train)), None]


@imports("aten.permute.default")
def permute(emit: Emitter, x: ir.Value, dims: Sequence[int]) -> ir.Value:
    return emit.transpose(x, [emit.axis(d, len(dims)) for d in dims])


@imports("aten.transpose.int", "aten.swapaxes.default", "aten.swapdims.default")
def transpose(emit: Emitter, x: ir.Value, first: int, second: int) -> ir.Value:
    rank = tw.tensor_info(x).rank
    permutation = list(range(rank))
    if rank:
        first, second = emit.axis(first, rank), emit.axis(second, rank)
        permutation[first], permutation[second] = second, first
    return emit.transpose(x, permutation)


@imports("aten.t.default", "aten.mT.default", "aten.adjoint.default", "aten.matrix_H.default")
def matrix_transpose(emit: Emitter, x: ir.Value) -> ir.Value:
    return transpose(emit, x, -1, -2) if tw.tensor_info(x).rank > 1 else x


@imports("aten.numpy_T.default")
def reverse_dims(emit: Emitter, x: ir.Value) -> ir.Value:
    return emit.transpose(x, list(reversed(range(tw.tensor_info(x).rank))))


@imports("aten.movedim.int", "aten.movedim.intlist")
def movedim(emit: Emitter, x: ir.Value, source: int | Sequence[int], destination: int | Sequence[int]) -> ir.Value:
    rank = tw.tensor_info(x).rank
    sources = [emit.axis(d, rank) for d in ([source] if isinstance(source, int) else source)]
    targets = [emit.axis(d, rank) for d in ([destination] if isinstance(destination, int) else destination)]
    rest = iter(d for d in range(rank) if d not in sources)
    placed = dict(zip(targets, sources))
    return emit.transpose(x, [placed[i] if i in placed else next(rest) for i in range(rank)])


@imports("aten.expand.default", "aten.expand_as.default", "aten.broadcast_to.default")
def expand(emit: Emitter, x: ir.Value, *_: object, **__: object) -> ir.Value:
    return emit.broadcast(x, emit.expected.shape)


@imports("aten.copy.default")
def copy(emit: Emitter, x: ir.Value, source: ir.Value, *_: object) -> ir.Value:
    return emit.broadcast(emit.cast(source, emit.dtype), emit.expected.shape)


@imports("aten.repeat.default", "aten.tile.default")
def repeat(emit: Emitter, x: ir.Value, repeats: Sequence[Dim]) -> ir.Value:
    shape = tw.tensor_info(x).shape
    missing = len(repeats) - len(shape)
    factors = [*(1,) * -missing, *repeats]
    shape = (*(1,) * missing, *shape)
    split = [d for pair in zip([1] * len(shape), shape) for d in pair]
    wide = [d for pair in zip(factors, shape) for d in pair]
    return emit.reshape(emit.broadcast(emit.reshape(x, split), wide), emit.expected.shape)


@imports("aten.repeat_interleave.self_int")
def repeat_interleave(emit: Emitter, x: ir.Value, repeats: Dim, dim: int | None = None, *, output_size: object = None) -> ir.Value:
    if dim is None:
        x = emit.reshape(x, (tw.tensor_info(x).elements,))
    shape = tw.tensor_info(x).shape
    axis = emit.axis(dim or 0, len(shape)) + 1
    one = emit.reshape(x, (*shape[:axis], 1, *shape[axis:]))
    return emit.reshape(emit.broadcast(one, (*shape[:axis], repeats, *shape[axis:])), emit.expected.shape)


def start_index(emit: Emitter, start: Dim | None, extent: Dim) -> Dim:
    """A Python start index (None, negative, past the end, symbolic) as one from the front."""
    if start is None:
        return 0
    low, high = to_expr(start).bounds(emit.symbols.ranges)
    if low >= 0:
        return min(start, extent) if isinstance(start, int) and isinstance(extent, int) else start
    if high >= 0:
        emit.reject(f"a slice that starts at {start}, which may be negative or not", "give the sizes tighter ranges")
    from_front = to_expr(extent) + start
    low, _ = from_front.bounds(emit.symbols.ranges)
    return simplify_dim(from_front) if low >= 0 else call("max", from_front, 0)


@imports("aten.slice.Tensor")
def slice_tensor(emit: Emitter, x: ir.Value, dim: int = 0, start: Dim | None = None, end: Dim | None = None, step: int = 1) -> ir.Value:
    shape = tw.tensor_info(x).shape
    axis = emit.axis(dim, len(shape))
    return emit.slice(x, axis, start_index(emit, start, shape[axis]), emit.expected.shape[axis], step)


@imports("aten.narrow.default")
def narrow(emit: Emitter, x: ir.Value, dim: int, start: Dim, length: Dim) -> ir.Value:
    shape = tw.tensor_info(x).shape
    axis = emit.axis(dim, len(shape))
    return emit.slice(x, axis, start_index(emit, start, shape[axis]), length)


@imports("aten.select.int")
def select(emit: Emitter, x: ir.Value, dim: int, index: Dim) -> ir.Value:
    shape = tw.tensor_info(x).shape
    axis = emit.axis(dim, len(shape))
    return emit.reshape(emit.slice(x, axis, start_index(emit, index, shape[axis]), 1), emit.expected.shape)


@imports("aten.split.Tensor", "aten.split.sizes", "aten.split_with_sizes.default", "aten.chunk.default", "aten.unsafe_split.Tensor",
         "aten.unsafe_chunk.default", "aten.tensor_split.sections", "aten.tensor_split.indices")  # fmt: skip
def split(emit: Emitter, x: ir.Value, _: object, dim: int = 0) -> list[ir.Value]:
    axis = emit.axis(dim, tw.tensor_info(x).rank)
    return emit.split(x, [emit.symbols.dim(piece.shape[axis]) for piece in emit.node.meta["val"]], axis)


@imports("aten.unbind.int")
def unbind(emit: Emitter, x: ir.Value, dim: int = 0) -> list[ir.Value]:
    axis = emit.axis(dim, tw.tensor_info(x).rank)
    shape = emit.expected.shape
    return [emit.reshape(piece, shape) for piece in emit.split(x, [1] * len(emit.node.meta["val"]), axis)]


@imports("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def cat(emit: Emitter, values: Sequence[ir.Value], dim: int = 0) -> ir.Value:
    rank = len(emit.expected.shape)
    # torch skips empty vectors among tensors of another rank.
    kept = [emit.cast(v, emit.dtype) for v in values if rank == 1 or tw.tensor_info(v).shape != (0,)]
    return emit.concat(kept, emit.axis(dim, rank))


@imports("aten.stack.default")
def stack(emit: Emitter, values: Sequence[ir.Value], dim: int = 0) -> ir.Value:
    axis = emit.axis(dim, len(emit.expected.shape))
    return emit.concat([emit.unsqueeze(emit.cast(v, emit.dtype), axis) for v in values], axis)


@imports("aten.flip.default")
def flip(emit: Emitter, x: ir.Value, dims: Sequence[int]) -> ir.Value:
    rank = tw.tensor_info(x).rank
    return emit.build("reverse", x, dims=tuple(emit.axis(d, rank) for d in dims)) if dims else x


@imports("aten.roll.default")
def roll(emit: Emitter, x: ir.Value, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> ir.Value:
    info = tw.tensor_info(x)
    shifts = [shifts] if isinstance(shifts, int) else list(shifts)
    axes = [dims] if isinstance(dims, int) else list(dims)
    if not axes:
        return emit.reshape(_rolled(emit, emit.reshape(x, (info.elements,)), shifts[0], 0), info.shape)
    for shift, axis in zip(shifts, axes):
        x = _rolled(emit, x, shift, emit.axis(axis, info.rank))
    return x


def _rolled(emit: Emitter, x: ir.Value, shift: Dim, axis: int) -> ir.Value:
    extent = tw.tensor_info(x).shape[axis]
    if extent == 0:
        return x
    moved = call("mod", shift, extent)
    if moved == 0:
        return x
    kept = simplify_dim(to_expr(extent) - moved)
    return emit.concat([emit.slice(x, axis, kept, moved), emit.slice(x, axis, 0, kept)], axis)


@imports("aten.constant_pad_nd.default")
def constant_pad_nd(emit: Emitter, x: ir.Value, pad: Sequence[Dim], value: float = 0) -> ir.Value:
    """`pad` lists (low, high) from the last dimension on; a negative entry cuts off."""
    shape = tw.tensor_info(x).shape
    low: list[Dim] = [0] * len(shape)
    high: list[Dim] = [0] * len(shape)
    for i in range(len(pad) // 2):
        axis = len(shape) - 1 - i
        before, after = pad[2 * i], pad[2 * i + 1]
        if any(isinstance(p, Expr) and p.bounds(emit.symbols.ranges)[0] < 0 for p in (before, after)):
            emit.reject(f"padding by {before} and {after}, which may be negative or not", "give the sizes tighter ranges")
        cut = [-p if isinstance(p, int) and p < 0 else 0 for p in (before, after)]
        if any(cut):
            x = emit.slice(x, axis, cut[0], simplify_dim(to_expr(tw.tensor_info(x).shape[axis]) - cut[0] - cut[1]))
        low[axis], high[axis] = (0 if c else p for c, p in zip(cut, (before, after)))
    if all(p == 0 for p in (*low, *high)):
        return x
    return emit.build("pad", x, low=tuple(low), high=tuple(high), value=float(value))


@imports("aten.pad.default")
def pad(emit: Emitter, x: ir.Value, pad: Sequence[Dim], mode: str = "constant", value: float | None = None) -> ir.Value:
    if mode != "constant":
        emit.decompose(f"padding by {mode!r}", "supported: mode='constant'")
    return constant_pad_nd(emit, x, pad, value or 0.0)


@imports("aten.tril.default")
def tril(emit: Emitter, x: ir.Value, diagonal: Operand = 0) -> ir.Value:
    return _triangle(emit, x, diagonal, "le")


@imports("aten.triu.default")
def triu(emit: Emitter, x: ir.Value, diagonal: Operand = 0) -> ir.Value:
    return _triangle(emit, x, diagonal, "ge")


def _triangle(emit: Emitter, x: ir.Value, diagonal: Operand, predicate: str) -> ir.Value:
    """Keep elements whose `column - row` compares with the diagonal as said; others become 0."""
    info = tw.tensor_info(x)
    row, column = emit.iota(info.shape[-2], rank=2, dim=0), emit.iota(info.shape[-1], rank=2, dim=1)

    def body(a: ir.Value, i: ir.Value, j: ir.Value, d: ir.Value) -> ir.Value:
        return sc.select(sc.compare(predicate, sc.sub(j, i), d), a, sc.like(a, 0))

    return emit.map(body, x, row, column, diagonal, compute="i64", raw=True)


@imports("aten.unfold.default")
def unfold(emit: Emitter, x: ir.Value, dim: int, size: int, step: int) -> ir.Value:
    """Windows of `size` every `step` elements along `dim`; the elements of a window become the last dimension."""
    info = tw.tensor_info(x)
    if info.rank == 0:
        return emit.reshape(x, (size,))
    axis = emit.axis(dim, info.rank)
    windows = emit.expected.shape[axis]
    start, offset = emit.iota(windows, rank=2, dim=0), emit.iota(size, rank=2, dim=1)
    index = emit.map(lambda i, j, s: sc.add(sc.mul(i, s), j), start, offset, step, compute="i64", out="i64")
    gathered = emit.build("gather", x, [index], axes=(axis,))
    order = [d for d in range(info.rank + 1) if d != axis + 1]
    return emit.transpose(gathered, [*order, axis + 1])


@imports("aten.diff.default")
def diff(
    emit: Emitter, x: ir.Value, n: int = 1, dim: int = -1, prepend: ir.Value | None = None, append: ir.Value | None = None
) -> ir.Value:
    """Differences of neighbours along `dim`, `n` times; of truth values, whether they differ."""
    axis = emit.axis(dim, tw.tensor_info(x).rank)
    x = emit.concat([emit.cast(part, emit.dtype) for part in (prepend, x, append) if part is not None], axis)
    for _ in range(n):
        size = simplify_dim(to_expr(tw.tensor_info(x).shape[axis]) - 1)
        later, earlier = emit.slice(x, axis, 1, size), emit.slice(x, axis, 0, size)
        x = emit.map(sc.logical_xor if emit.dtype == "i1" else sc.sub, later, earlier)
    return x
