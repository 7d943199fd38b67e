"""Slices, concatenations and padding: patterns of `tw-simplify-movement`."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, simplify_dim, to_expr
from tilewright.passes.rewrite import PatternSet, Rewriter

patterns = PatternSet()


@patterns.on("slice")
def whole_slice(rw: Rewriter, op: ir.Operation) -> bool:
    source = op.operands[0]
    attributes = rw.attributes(op)
    if source.type != op.results[0].type or any(s != 0 for s in attributes["starts"]):
        return False
    rw.replace(op, [source])
    return True


@patterns.on("slice")
def slice_of_slice(rw: Rewriter, op: ir.Operation) -> bool:
    inner = rw.producer(op.operands[0], "slice")
    if inner is None:
        return False
    outer_attributes, inner_attributes = rw.attributes(op), rw.attributes(inner)
    starts = [
        simplify_dim(to_expr(first) + to_expr(start) * step)
        for first, start, step in zip(inner_attributes["starts"], outer_attributes["starts"], inner_attributes["steps"])
    ]
    steps = [a * b for a, b in zip(inner_attributes["steps"], outer_attributes["steps"])]
    rw.replace(op, [rw.build("slice", inner.operands[0], starts=starts, sizes=outer_attributes["sizes"], steps=steps)])
    return True


@patterns.on("slice")
def slice_of_concat(rw: Rewriter, op: ir.Operation) -> bool:
    """A slice that provably lies in one part."""
    concat = rw.producer(op.operands[0], "concat")
    if concat is None:
        return False
    dim = rw.attribute(concat, "dim")
    attributes = rw.attributes(op)
    start, size, step = (attributes[n][dim] for n in ("starts", "sizes", "steps"))
    last = to_expr(start) + (to_expr(size) - 1) * step
    begin = to_expr(0)
    for part in concat.operands:
        end = begin + rw.shape(part)[dim]
        if rw.at_least(start, begin) and rw.at_least(end, last, 1):
            starts = list(attributes["starts"])
            starts[dim] = simplify_dim(to_expr(start) - begin)
            rw.replace(op, [rw.build("slice", part, starts=starts, sizes=attributes["sizes"], steps=attributes["steps"])])
            return True
        begin = end
    return False


@patterns.on("slice")
def slice_of_broadcast(rw: Rewriter, op: ir.Operation) -> bool:
    """`slice(broadcast(x)) -> broadcast(slice(x))`."""
    broadcast = rw.producer(op.operands[0], "broadcast")
    if broadcast is None:
        return False
    source, middle = rw.shape(broadcast.operands[0]), rw.shape(op.operands[0])
    attributes = rw.attributes(op)
    added = len(middle) - len(source)
    real = [source[d] == middle[added + d] and source[d] != 1 for d in range(len(source))]
    starts = [s if r else 0 for s, r in zip(attributes["starts"][added:], real)]
    sizes = [s if r else d for s, r, d in zip(attributes["sizes"][added:], real, source)]
    steps = [s if r else 1 for s, r in zip(attributes["steps"][added:], real)]
    narrow = rw.build("slice", broadcast.operands[0], starts=starts, sizes=sizes, steps=steps)
    rw.replace(op, [rw.broadcast(narrow, rw.shape(op.results[0]))])
    return True


@patterns.on("slice")
def slice_of_positions(rw: Rewriter, op: ir.Operation) -> bool:
    """`slice(f(iota, iota)) -> f(slice(iota), slice(iota))`: a part of a mask of positions is computed as that part."""
    source = rw.producer(op.operands[0], "pointwise")
    if source is None or len(source.results) != 1 or not len(source.operands):
        return False
    if any(rw.producer(v, "iota") is None for v in source.operands):
        return False
    attributes, full = rw.attributes(op), rw.shape(op.operands[0])
    parts: list[ir.Value] = []
    for value in source.operands:
        shape = rw.shape(value)
        skipped = len(full) - len(shape)

        def own(name: str, neutral: int) -> list[Dim]:
            return [given if size != 1 else neutral for given, size in zip(attributes[name][skipped:], shape)]  # noqa: B023

        parts.append(rw.build("slice", value, starts=own("starts", 0), sizes=own("sizes", 1), steps=own("steps", 1)))
    rw.replace(op, rw.pointwise(parts, rw.yields(source), rw.shape(op.results[0]), source.location))
    return True


@patterns.on("slice")
def slice_of_unit_reshape(rw: Rewriter, op: ir.Operation) -> bool:
    """`slice(reshape(x)) -> reshape(slice(x))` when the reshape moves only dimensions of size 1."""
    reshape = rw.producer(op.operands[0], "reshape")
    if reshape is None:
        return False
    source, middle = rw.shape(reshape.operands[0]), rw.shape(op.operands[0])
    if [d for d in source if d != 1] != [d for d in middle if d != 1]:
        return False
    attributes = rw.attributes(op)
    if any(d == 1 and n != 1 for d, n in zip(middle, attributes["sizes"])):
        return False
    names = ("starts", "sizes", "steps")
    parts = iter([tuple(attributes[n][i] for n in names) for i, d in enumerate(middle) if d != 1])
    starts, sizes, steps = zip(*[(0, 1, 1) if d == 1 else next(parts) for d in source]) if source else ((), (), ())
    narrow = rw.build("slice", reshape.operands[0], starts=starts, sizes=sizes, steps=steps)
    rw.replace(op, [rw.reshape(narrow, rw.shape(op.results[0]))])
    return True


@patterns.on("concat")
def concat_of_parts(rw: Rewriter, op: ir.Operation) -> bool:
    """Nested concatenations are one, empty parts go, neighbouring slices of one tensor join, and one part alone is itself."""
    dim = rw.attribute(op, "dim")
    parts: list[ir.Value] = []
    for value in op.operands:
        inner = rw.producer(value, "concat")
        parts += list(inner.operands) if inner is not None and rw.attribute(inner, "dim") == dim else [value]
    parts = [p for p in parts if rw.shape(p)[dim] != 0] or parts[:1]
    joined: list[ir.Value] = []
    for part in parts:
        merged = _joined(rw, joined[-1], part, dim) if joined else None
        if merged is None:
            joined.append(part)
        else:
            joined[-1] = merged
    if joined == list(op.operands) and len(joined) > 1:
        return False
    rw.replace(op, [joined[0] if len(joined) == 1 else rw.build("concat", joined, dim=dim)])
    return True


def _joined(rw: Rewriter, lhs: ir.Value, rhs: ir.Value, dim: int) -> ir.Value | None:
    """The slice that two neighbouring slices of one tensor are together."""
    first, second = rw.producer(lhs, "slice"), rw.producer(rhs, "slice")
    if first is None or second is None or first.operands[0] != second.operands[0]:
        return None
    a, b = rw.attributes(first), rw.attributes(second)
    if a["steps"] != b["steps"] or any(i != dim and a["starts"][i] != b["starts"][i] for i in range(len(a["starts"]))):
        return None
    if to_expr(a["starts"][dim]) + to_expr(a["sizes"][dim]) * a["steps"][dim] != to_expr(b["starts"][dim]):
        return None
    sizes: list[Dim] = list(a["sizes"])
    sizes[dim] = simplify_dim(to_expr(a["sizes"][dim]) + to_expr(b["sizes"][dim]))
    return rw.build("slice", first.operands[0], starts=a["starts"], sizes=sizes, steps=a["steps"])


@patterns.on("pad")
def empty_pad(rw: Rewriter, op: ir.Operation) -> bool:
    if not _all_zero(rw.attribute(op, "low")) or not _all_zero(rw.attribute(op, "high")):
        return False
    rw.replace(op, [op.operands[0]])
    return True


def _all_zero(sizes: Sequence[Dim]) -> bool:
    return all(s == 0 for s in sizes)
