"""`tw-split-products`: matmuls whose result is only read in ranges of columns become one matmul per range."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite

FEWEST_COLUMNS = 16
"""Narrower ranges would be mostly padding in panels of whole vectors."""

PATTERNS = PatternSet()


@register_pass
@dataclass(frozen=True)
class SplitProducts(Pass):
    """Multiply by ranges of columns of a weight where nothing else reads the product.

    No slice is left to be copied, and the matmuls, which have one left side, are fused as those of separate weights are. Models keep
    queries, keys and values, or gate and up projections, in one weight. Pointwise ops between the matmul and the slices are repeated
    for each range, with biases sliced likewise. A weight's range is an entry of its layout (`dialects/tw/layouts.py`).

    Before: `%y = "tw.matmul"(%x, %w)`, `%q = "tw.slice"(%y) {starts = "0, 0", sizes = "8, 64", ..}`, `%k = ...`
    After: `%v = "tw.weight"() {layout = {axis = "1", kind = "plain", size = "64", start = "0"}, ..}`, `%q = "tw.matmul"(%x, %v)`, ...
    """

    name: ClassVar[str] = "tw-split-products"

    def run(self, module: ir.Module) -> None:
        rewrite(module, PATTERNS)


@dataclass(frozen=True)
class _Product:
    """A matmul by a weight, the pointwise ops on its result in order, and the reshape that splits its columns, if any."""

    matmul: ir.Operation
    pointwise: Sequence[ir.Operation]
    reshape: ir.Operation | None


@PATTERNS.on("slice")
def range_of_product(rw: Rewriter, op: ir.Operation) -> bool:
    """A slice of columns becomes a product of its own, when all other users of the value are such slices, and none overlap."""
    product = _product(rw, op.operands[0])
    if product is None:
        return False
    ranges = [_columns(rw, use.owner.operation, product) for use in op.operands[0].uses]
    found = sorted(columns for columns in ranges if columns is not None)
    if len(found) < len(ranges) or any(start < stop for (_, stop), (start, _) in itertools.pairwise(found)):
        return False
    columns = _columns(rw, op, product)
    assert columns is not None
    rw.replace(op, [rw.reshape(_multiply(rw, op, product, *columns), rw.shape(op.results[0]))])
    return True


def _product(rw: Rewriter, value: ir.Value) -> _Product | None:
    """The product by a weight behind a value that only pointwise ops with sliceable operands and a split of the columns follow."""
    reshape = rw.producer(value, "reshape")
    if reshape is not None:
        before, after = rw.shape(reshape.operands[0]), rw.shape(value)
        if len(after) <= len(before) or after[: len(before) - 1] != before[:-1] or not rw.has_one_use(reshape.operands[0]):
            return None
        value = reshape.operands[0]
    pointwise: list[ir.Operation] = []
    while (op := rw.producer(value, "pointwise", "matmul")) is not None:
        if tw.is_op(op, "matmul"):
            weight = rw.producer(op.operands[1], "weight")
            return _Product(op, pointwise, reshape) if weight is not None and _is_whole_matrix(rw, weight) else None
        inner = [v for v in op.operands if not _is_sliceable(rw, v, rw.shape(value)[-1])]
        if len(op.results) != 1 or len(inner) != 1 or rw.shape(inner[0]) != rw.shape(value) or not rw.has_one_use(inner[0]):
            return None
        pointwise.insert(0, op)
        value = inner[0]
    return None


def _is_whole_matrix(rw: Rewriter, weight: ir.Operation) -> bool:
    return len(rw.shape(weight.results[0])) == 2 and "start" not in (rw.attribute(weight, "layout") or {})


def _is_sliceable(rw: Rewriter, value: ir.Value, columns: Dim) -> bool:
    """Whether a pointwise operand is the same for all columns, or a weight that has them as its last dimension."""
    shape = rw.shape(value)
    if not shape or shape[-1] == 1:
        return True
    weight = rw.producer(value, "weight")
    return weight is not None and shape[-1] == columns and "start" not in (rw.attribute(weight, "layout") or {})


def _columns(rw: Rewriter, op: ir.Operation, product: _Product) -> tuple[int, int] | None:
    """First and last column, exclusive, of the product that a slice reads; None for other ops and other slices."""
    if not tw.is_op(op, "slice"):
        return None
    shape = rw.shape(op.operands[0])
    axis = len(rw.shape(product.matmul.results[0])) - 1
    starts, sizes, steps = (rw.attribute(op, name) for name in ("starts", "sizes", "steps"))
    others = (d for d in range(len(shape)) if d != axis)
    if any(step != 1 for step in steps) or any(starts[d] != 0 or sizes[d] != shape[d] for d in others):
        return None
    inner = [size for size in shape[axis + 1 :] if isinstance(size, int)]
    start, size = starts[axis], sizes[axis]
    if len(inner) < len(shape) - axis - 1 or not isinstance(start, int) or not isinstance(size, int):
        return None
    each = math.prod(inner)
    return (start * each, (start + size) * each) if size * each >= FEWEST_COLUMNS else None


def _multiply(rw: Rewriter, before: ir.Operation, product: _Product, start: int, stop: int) -> ir.Value:
    """The columns `start <= n < stop` of a product and what follows it, as new ops before another one."""
    matmul = product.matmul
    attributes = rw.attributes(matmul)
    weight = _weight_range(rw, before, matmul.operands[1], 0 if attributes["transpose_rhs"] else 1, start, stop)
    value = rw.build("matmul", matmul.operands[0], weight, loc=matmul.location, **attributes)
    replaced = {matmul.results[0]: value}
    for op in product.pointwise:
        columns = rw.shape(op.results[0])[-1]
        operands: list[ir.Value] = []
        for operand in op.operands:
            shape = rw.shape(operand)
            whole = operand in replaced or not shape or shape[-1] != columns
            operands.append(replaced.get(operand, operand) if whole else _weight_range(rw, before, operand, len(shape) - 1, start, stop))
        shape = (*rw.shape(op.results[0])[:-1], stop - start)
        replaced[op.results[0]] = value = rw.pointwise(operands, rw.yields(op), shape, op.location)[0]
    return value


def _weight_range(rw: Rewriter, before: ir.Operation, whole: ir.Value, axis: int, start: int, stop: int) -> ir.Value:
    """A weight's elements `start <= i < stop` along `axis`, as a new op before another one."""
    weight = rw.producer(whole)
    assert weight is not None
    info = rw.info(whole)
    shape = [stop - start if d == axis else size for d, size in enumerate(info.shape)]
    entries = {"axis": str(axis), "start": str(start), "size": str(stop - start)}
    layout: Mapping[str, str] = {"kind": "plain", **(rw.attribute(weight, "layout") or {}), **entries}
    result = info.with_shape(shape)
    with ir.InsertionPoint(before):
        return tw.build("weight", results=[result], name=rw.attribute(weight, "name"), layout=layout, loc=weight.location)
