"""`tw-fold-weights`: integer buffers whose values are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.constants import MAX_ELEMENTS
from tilewright.passes import weight_values
from tilewright.passes.affine import affine_of_array
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.scalars import Scalar
from tilewright.passes.simplify.fold_constants import index_sequence

MAX_INSPECTED = 1 << 20
"""Integer weights with more elements than this are data, not structure; they are not looked at."""

MAX_INSPECTED_MASK = 1 << 26
"""The same for boolean weights: attention masks, which are as large as the longest sequence squared."""

_AT_MOST, _AT_LEAST = 3, 5
"""Signed predicates of arith.cmpi."""

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class FoldWeights(Pass):
    """Replace integer and boolean weights that are structure rather than data: all equal, index sequences, triangles and bands, or small.

    Models keep position numbers, token types and causal masks in buffers. Needs the values, see `tilewright.passes.weight_values`; without
    them it does nothing.

    Before: `%w = "tw.weight"() {name = "position_ids"} : tensor<1x512xi64>` with the values 0, 1, 2, ..
    After: `%w = "tw.iota"() {shape = "1, 512", dim = 1}`
    """

    name: ClassVar[str] = "tw-fold-weights"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("weight")
def fold(rw: Rewriter, op: ir.Operation) -> bool:
    info = rw.info(op.results[0])
    elements = info.elements
    if info.dtype not in tw.INTEGERS or not isinstance(elements, int) or elements <= 0:
        return False
    if elements > (MAX_INSPECTED_MASK if info.dtype == "i1" else MAX_INSPECTED):
        return False
    if rw.attribute(op, "layout") is not None:
        return False
    array = weight_values.known(rw.attribute(op, "name"))
    if array is None or array.shape != info.shape:
        return False
    first = array.reshape(-1)[0]
    if (array == first).all():
        rw.replace(op, [rw.constant(first.item(), info)])
        return True
    form = affine_of_array(array) if info.dtype in ("i32", "i64") else None
    if form is not None and len(form.varying) == 1:
        rw.replace(op, [index_sequence(rw, form, info)])
        return True
    band = _band(array) if info.dtype == "i1" else None
    if band is not None:
        rw.replace(op, [_band_of_positions(rw, band, info)])
        return True
    if elements <= MAX_ELEMENTS:
        rw.replace(op, [rw.build("constant", value=array.astype(tw.numpy_dtype(info.dtype)))])
        return True
    return False


def _band(array: np.ndarray) -> tuple[int | None, int | None] | None:
    """The limits between which column less row lies where a matrix of truth values holds, None for no limit; None for another matrix."""
    if array.ndim < 2 or array.size != array.shape[-1] * array.shape[-2] or min(array.shape[-2:]) < 2:
        return None
    rows, columns = array.shape[-2], array.shape[-1]
    matrix = array.reshape(rows, columns)
    # Rows in the middle say what the band is; it is compared with the whole.
    distances = np.concatenate([np.flatnonzero(matrix[row]) - row for row in (0, rows // 2, rows - 1)])
    if not len(distances):
        return None
    low, high = int(distances.min()), int(distances.max())
    distance = np.arange(columns, dtype=np.int32)[None] - np.arange(rows, dtype=np.int32)[:, None]
    if not np.array_equal(matrix, (distance >= low) & (distance <= high)):
        return None
    return None if low <= 1 - rows else low, None if high >= columns - 1 else high


def _band_of_positions(rw: Rewriter, band: tuple[int | None, int | None], info: tw.TensorInfo) -> ir.Value:
    t, rank = rw.scalars, info.rank
    row, column = [
        rw.build("iota", shape=tuple(d if i == dim else 1 for i, d in enumerate(info.shape)), dim=dim) for dim in (rank - 2, rank - 1)
    ]

    def holds(q: Scalar, k: Scalar) -> Scalar:
        limits = [(limit, predicate) for limit, predicate in zip(band, (_AT_LEAST, _AT_MOST)) if limit is not None]
        conditions = [t.compare(predicate, k, t.arith("addi", q, t.constant(limit, "i64"))) for limit, predicate in limits]
        return t.arith("andi", *conditions) if len(conditions) == 2 else conditions[0]

    return rw.map(holds, row, column)
