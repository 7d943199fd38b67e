"""`tw-fold-constants`: values known at compile time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.constants import MAX_ELEMENTS
from tilewright.dialects.tw.spec import Arguments, ReferenceContext
from tilewright.passes.affine import Affine, affine, splat
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite

patterns = PatternSet()

_EVALUATED = (
    "reshape", "transpose", "broadcast", "slice", "concat", "pad", "reverse", "gather", "scatter", "reduce", "argmax", "scan", "softmax",
    "matmul", "pointwise",
)  # fmt: skip
_MOVEMENT = ("reshape", "transpose", "broadcast", "slice", "reverse", "gather", "concat", "pad")
_INDEX_OPS = ("reshape", "transpose", "slice", "gather", "concat", "scan", "pointwise", "broadcast")


@register_pass
@dataclass(frozen=True)
class FoldConstants(Pass):
    """Evaluate what is known at compile time: small constants, tensors of one number, index sequences.

    Ops on constants are evaluated by their references when the result has at most 1024 elements. A tensor whose elements are all
    one number stays that through movement, whatever its size; so does an index sequence, which becomes `tw.iota` again.

    Before: `%1 = "tw.dim"() {expr = "7"}`, `%2 = "tw.slice"(%iota) {starts = "0", ..}`, `%3 = "tw.transpose"(%zeros)`
    After: `%1 = "tw.constant"() {value = dense<7>}`, `%2 = "tw.iota"()`, `%3 = "tw.constant"() {value = dense<0.0>}`
    """

    name: ClassVar[str] = "tw-fold-constants"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("dim")
def fold_dim(rw: Rewriter, op: ir.Operation) -> bool:
    size = rw.attribute(op, "expr")
    if not isinstance(size, int):
        return False
    rw.replace(op, [rw.constant(size, rw.info(op.results[0]))])
    return True


@patterns.on("iota")
def fold_iota_of_one(rw: Rewriter, op: ir.Operation) -> bool:
    if rw.shape(op.results[0])[rw.attribute(op, "dim")] != 1:
        return False
    rw.replace(op, [rw.constant(0, rw.info(op.results[0]))])
    return True


@patterns.on("iota")
def shrink_iota(rw: Rewriter, op: ir.Operation) -> bool:
    """An iota varies along one dimension; the others are a broadcast."""
    info, dim = rw.info(op.results[0]), rw.attribute(op, "dim")
    if all(d == dim or n == 1 for d, n in enumerate(info.shape)):
        return False
    rw.replace(op, [index_sequence(rw, Affine(0, tuple(int(d == dim) for d in range(info.rank))), info)])
    return True


@patterns.on(*_MOVEMENT)
def move_splat(rw: Rewriter, op: ir.Operation) -> bool:
    """Movement of one number is that number."""
    name = tw.short_name(op)
    sources = list(op.operands) if name == "concat" else [op.operands[0]]
    number = splat(rw, sources[0])
    if number is None:
        return False
    if any(repr(splat(rw, v)) != repr(number) for v in sources[1:]):
        return False
    info = rw.info(op.results[0])
    if name == "pad" and np.asarray(rw.attribute(op, "value")).astype(tw.numpy_dtype(info.dtype)) != number:
        return False
    rw.replace(op, [rw.constant(number, info)])
    return True


@patterns.on(*_INDEX_OPS)
def recognize_index_sequence(rw: Rewriter, op: ir.Operation) -> bool:
    """Integers that follow the index become `tw.iota`, with an offset where one is needed."""
    result = op.results[0]
    if len(op.results) != 1 or rw.info(result).dtype not in ("i32", "i64"):
        return False
    form = affine(rw, result)
    name = tw.short_name(op)
    if form is None or (name == "pointwise" and len(op.operands) == 0) or (name == "broadcast" and form.splat is None):
        return False
    if form.splat is not None:
        rw.replace(op, [rw.constant(form.splat, rw.info(result))])
        return True
    if form.iota_dim is None and (name == "pointwise" or len(form.varying) != 1 or not isinstance(form.offset, int)):
        return False
    rw.replace(op, [index_sequence(rw, form, rw.info(result))])
    return True


@patterns.on(*_EVALUATED)
def evaluate(rw: Rewriter, op: ir.Operation) -> bool:
    infos = [rw.info(r) for r in op.results]
    if not all(_is_small(i) for i in infos) or len(op.operands) == 0:
        return False
    producers = [rw.producer(v, "constant") for v in op.operands]
    if any(p is None for p in producers) or not all(_is_small(rw.info(v)) for v in op.operands):
        return False
    arrays = {v: tw.elements_to_array(rw.attribute(p, "value")) for v, p in zip(op.operands, producers) if p is not None}
    groups: dict[str, Any] = {
        name: tuple(arrays[v] for v in group) if isinstance(group, tuple) else None if group is None else arrays[group]
        for name, group in tw.operand_groups(op).items()
    }
    context = ReferenceContext({}, {}, infos, list(op.regions))
    try:
        with np.errstate(all="ignore"):
            results = tw.spec_of(op).reference(context, Arguments(groups, rw.attributes(op)))
    except IndexError:  # a gather outside its table: the program is wrong, but that is for its run to say
        return False
    rw.replace(op, [rw.build("constant", value=array) for array in results])
    return True


@patterns.on("pointwise")
def fill_to_constant(rw: Rewriter, op: ir.Operation) -> bool:
    """A small fill is a `tw.constant`."""
    if len(op.operands) or len(op.results) != 1 or not rw.yields(op)[0].is_constant or not _is_small(rw.info(op.results[0])):
        return False
    rw.replace(op, [rw.constant(rw.yields(op)[0].value, rw.info(op.results[0]))])
    return True


def index_sequence(rw: Rewriter, form: Affine, info: tw.TensorInfo) -> ir.Value:
    """A tensor that varies along one dimension, with a constant offset, from iota."""
    (dim,) = form.varying
    narrow = tuple(n if d == dim else 1 for d, n in enumerate(info.shape))
    value = rw.build("iota", shape=narrow, dim=dim, dtype=info.dtype)
    step = form.coefficients[dim]
    if step != 1 or form.offset != 0:
        assert isinstance(form.offset, int)
        scalar = rw.scalars.argument(0, info.dtype)
        scaled = rw.scalars.apply("arith.muli", (scalar, rw.scalars.constant(step, info.dtype))) if step != 1 else scalar
        moved = rw.scalars.apply("arith.addi", (scaled, rw.scalars.constant(form.offset, info.dtype))) if form.offset != 0 else scaled
        (value,) = rw.pointwise([value], [moved], narrow)
    return rw.broadcast(value, info.shape)


def _is_small(info: tw.TensorInfo) -> bool:
    return info.is_static and isinstance(info.elements, int) and 0 < info.elements <= MAX_ELEMENTS
