"""Gathers at indices that are known: patterns of `tw-simplify-movement`."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, to_expr
from tilewright.dialects import tw
from tilewright.passes.affine import Affine, affine
from tilewright.passes.rewrite import PatternSet, Rewriter

patterns = PatternSet()


@patterns.on("gather")
def gather_at_sequence(rw: Rewriter, op: ir.Operation) -> bool:
    """A gather whose indices each count along a dimension of their own, or are one number, is a slice in the order of those dimensions."""
    table, *indices = list(op.operands)
    axes = rw.attribute(op, "axes")
    index_shape = tw.broadcast_shapes([rw.shape(i) for i in indices]) or ()
    forms: list[Affine] = []
    for index in indices:
        form = affine(rw, index)
        if form is None or len(form.varying) > 1 or any(c < 0 for c in form.coefficients):
            return False
        forms.append(Affine(form.offset, (0,) * (len(index_shape) - len(form.coefficients)) + form.coefficients))
    placed = [f.varying[0] for f in forms if f.varying]
    if len(set(placed)) != len(placed):
        return False
    shape = rw.shape(table)
    starts: list[Dim] = [0] * len(shape)
    sizes, steps = list(shape), [1] * len(shape)
    for axis, form in zip(axes, forms):
        starts[axis] = form.offset
        sizes[axis] = index_shape[form.varying[0]] if form.varying else 1
        steps[axis] = form.coefficients[form.varying[0]] if form.varying else 1
        last = to_expr(form.offset) + (to_expr(sizes[axis]) - 1) * steps[axis]
        if not (rw.at_least(form.offset, 0) and rw.at_least(shape[axis], last, 1)):
            return False
    part = table
    if any(s != 0 for s in starts) or tuple(sizes) != shape:
        part = rw.build("slice", table, starts=starts, sizes=sizes, steps=steps)
    rw.replace(op, [_arranged(rw, part, axes, forms, index_shape, rw.shape(op.results[0]))])
    return True


def _arranged(
    rw: Rewriter, part: ir.Value, axes: Sequence[int], forms: Sequence[Affine], index_shape: Sequence[Dim], result: tuple[Dim, ...]
) -> ir.Value:
    """The sliced table with its indexed axes in the order of the index dimensions, then with all index dimensions."""
    first = axes[0]
    order = sorted(range(len(axes)), key=lambda i: forms[i].varying or (-1,))
    if order != list(range(len(axes))):
        rank = len(rw.shape(part))
        permutation = [*range(first), *(first + i for i in order), *range(first + len(axes), rank)]
        part = rw.build("transpose", part, permutation=permutation)
    shape = rw.shape(part)
    varying = {f.varying[0] for f in forms if f.varying}
    inner = tuple(d if i in varying else 1 for i, d in enumerate(index_shape))
    return rw.broadcast(rw.reshape(part, (*shape[:first], *inner, *shape[first + len(axes) :])), result)


@patterns.on("gather")
def gather_at_broadcast(rw: Rewriter, op: ir.Operation) -> bool:
    """Indices that repeat are looked up once; the result is broadcast."""
    table, *indices = list(op.operands)
    axes = rw.attribute(op, "axes")
    sources = [_behind_broadcast(rw, i) for i in indices]
    if sources == indices:
        return False
    narrow = tw.broadcast_shapes([rw.shape(s) for s in sources]) or ()
    index_rank = len(tw.broadcast_shapes([rw.shape(i) for i in indices]) or ())
    found = rw.build("gather", table, sources, axes=axes)
    shape = rw.shape(table)
    padded = (*shape[: axes[0]], *(1,) * (index_rank - len(narrow)), *narrow, *shape[axes[-1] + 1 :])
    rw.replace(op, [rw.broadcast(rw.reshape(found, padded), rw.shape(op.results[0]))])
    return True


def _behind_broadcast(rw: Rewriter, value: ir.Value) -> ir.Value:
    broadcast = rw.producer(value, "broadcast")
    return value if broadcast is None else broadcast.operands[0]
