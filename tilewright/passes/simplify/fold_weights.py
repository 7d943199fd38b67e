"""`tw-fold-weights`: integer buffers whose values are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.constants import MAX_ELEMENTS
from tilewright.passes import weight_values
from tilewright.passes.affine import affine_of_array
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.simplify.fold_constants import index_sequence

MAX_INSPECTED = 1 << 20
"""Weights with more elements than this are data, not structure; they are not looked at."""

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class FoldWeights(Pass):
    """Replace integer and boolean weights that are structure rather than data: all equal, index sequences, or small.

    Models keep position numbers and token types in buffers. Needs the values, see `tilewright.passes.weight_values`; without them it does
    nothing.

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
    if info.dtype not in tw.INTEGERS or not isinstance(elements, int) or not 0 < elements <= MAX_INSPECTED:
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
    if elements <= MAX_ELEMENTS:
        rw.replace(op, [rw.build("constant", value=array.astype(tw.numpy_dtype(info.dtype)))])
        return True
    return False
