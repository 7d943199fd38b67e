"""`tw-simplify-movement`: movement ops cancel and merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.simplify.contraction import patterns as contraction
from tilewright.passes.simplify.gathering import patterns as gathering
from tilewright.passes.simplify.slicing import patterns as slicing

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class SimplifyMovement(Pass):
    """Cancel and merge movement ops, and give those that remain one form.

    Reshapes and transposes of each other merge; those that do nothing go. What only moves dimensions of size 1 is a reshape. Broadcasts
    move behind other movement, where consumers absorb them. Slices are taken from slices, from parts of concatenations and from under
    broadcasts. A gather at consecutive indices is a slice. A transpose of the matrices of a matmul becomes its flag.

    Before: `%1 = "tw.transpose"(%x) {permutation = [1, 0]}`, `%2 = "tw.matmul"(%y, %1)`
    After: `%2 = "tw.matmul"(%y, %x) {transpose_rhs = true}`
    """

    name: ClassVar[str] = "tw-simplify-movement"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns | slicing | gathering | contraction)


@patterns.on("reshape", "broadcast")
def same_shape(rw: Rewriter, op: ir.Operation) -> bool:
    source = op.operands[0]
    if source.type != op.results[0].type:
        return False
    rw.replace(op, [source])
    return True


@patterns.on("reshape")
def reshape_of_reshape(rw: Rewriter, op: ir.Operation) -> bool:
    inner = rw.producer(op.operands[0], "reshape")
    if inner is None:
        return False
    rw.replace(op, [rw.reshape(inner.operands[0], rw.shape(op.results[0]))])
    return True


@patterns.on("broadcast")
def broadcast_of_broadcast(rw: Rewriter, op: ir.Operation) -> bool:
    inner = rw.producer(op.operands[0], "broadcast")
    if inner is None:
        return False
    rw.replace(op, [rw.build("broadcast", inner.operands[0], shape=rw.shape(op.results[0]))])
    return True


@patterns.on("broadcast")
def broadcast_adds_units(rw: Rewriter, op: ir.Operation) -> bool:
    """A broadcast that repeats nothing is a reshape."""
    source, target = rw.shape(op.operands[0]), rw.shape(op.results[0])
    if source != target[len(target) - len(source) :] or any(d != 1 for d in target[: len(target) - len(source)]):
        return False
    rw.replace(op, [rw.reshape(op.operands[0], target)])
    return True


@patterns.on("broadcast")
def broadcast_of_unit_reshape(rw: Rewriter, op: ir.Operation) -> bool:
    """Leading dimensions of size 1 come with the broadcast."""
    inner = rw.producer(op.operands[0], "reshape")
    if inner is None:
        return False
    source, middle = rw.shape(inner.operands[0]), rw.shape(op.operands[0])
    added = len(middle) - len(source)
    if added <= 0 or middle[added:] != source or any(d != 1 for d in middle[:added]):
        return False
    rw.replace(op, [rw.build("broadcast", inner.operands[0], shape=rw.shape(op.results[0]))])
    return True


@patterns.on("reshape")
def unit_reshape_of_broadcast(rw: Rewriter, op: ir.Operation) -> bool:
    """`reshape(broadcast(x)) -> broadcast(reshape(x))` when the reshape moves only dimensions of size 1."""
    inner = rw.producer(op.operands[0], "broadcast")
    if inner is None:
        return False
    middle, target = rw.shape(op.operands[0]), rw.shape(op.results[0])
    if _without_units(middle) != _without_units(target):
        return False
    source = rw.shape(inner.operands[0])
    padded = (1,) * (len(middle) - len(source)) + source
    kept = iter([s for s, m in zip(padded, middle) if m != 1])
    narrow = tuple(1 if d == 1 else next(kept) for d in target)
    rw.replace(op, [rw.broadcast(rw.reshape(inner.operands[0], narrow), target)])
    return True


@patterns.on("transpose")
def identity_transpose(rw: Rewriter, op: ir.Operation) -> bool:
    permutation = rw.attribute(op, "permutation")
    if permutation != tuple(range(len(permutation))):
        return False
    rw.replace(op, [op.operands[0]])
    return True


@patterns.on("transpose")
def transpose_of_transpose(rw: Rewriter, op: ir.Operation) -> bool:
    inner = rw.producer(op.operands[0], "transpose")
    if inner is None:
        return False
    first = rw.attribute(inner, "permutation")
    rw.replace(op, [rw.build("transpose", inner.operands[0], permutation=[first[p] for p in rw.attribute(op, "permutation")])])
    return True


@patterns.on("transpose")
def transpose_of_units(rw: Rewriter, op: ir.Operation) -> bool:
    """A transpose that keeps the order of the dimensions larger than 1 is a reshape."""
    source = rw.shape(op.operands[0])
    moving = [p for p in rw.attribute(op, "permutation") if source[p] != 1]
    if moving != sorted(moving):
        return False
    rw.replace(op, [rw.reshape(op.operands[0], rw.shape(op.results[0]))])
    return True


@patterns.on("transpose")
def transpose_of_broadcast(rw: Rewriter, op: ir.Operation) -> bool:
    inner = rw.producer(op.operands[0], "broadcast")
    if inner is None:
        return False
    target = rw.shape(op.results[0])
    source = rw.shape(inner.operands[0])
    padded = (1,) * (len(target) - len(source)) + source
    narrow = rw.build("transpose", rw.reshape(inner.operands[0], padded), permutation=rw.attribute(op, "permutation"))
    rw.replace(op, [rw.broadcast(narrow, target)])
    return True


@patterns.on("reverse")
def reverse_units(rw: Rewriter, op: ir.Operation) -> bool:
    """Dimensions of size 1 need no reversal, and two reversals cancel."""
    dims, shape = rw.attribute(op, "dims"), rw.shape(op.results[0])
    source = op.operands[0]
    inner = rw.producer(source, "reverse")
    kept = {d for d in dims if shape[d] != 1}
    if inner is not None:
        kept ^= set(rw.attribute(inner, "dims"))
        source = inner.operands[0]
    elif len(kept) == len(dims):
        return False
    rw.replace(op, [rw.build("reverse", source, dims=sorted(kept)) if kept else source])
    return True


@patterns.on("reduce")
def reduce_units(rw: Rewriter, op: ir.Operation) -> bool:
    """A reduction along dimensions of size 1 only is a reshape."""
    source = op.operands[0]
    shape = rw.shape(source)
    if any(shape[d] != 1 for d in rw.attribute(op, "dims")):
        return False
    rw.replace(op, [rw.reshape(source, rw.shape(op.results[0]))])
    return True


def _without_units(shape: Sequence[Dim]) -> list[Dim]:
    return [d for d in shape if d != 1]


@patterns.on("reshape")
def reshape_restores_reduced(rw: Rewriter, op: ir.Operation) -> bool:
    """A reshape that gives reduced dimensions back with size 1 is `keep_dims` of the reduction, also through pointwise ops between."""
    target = rw.shape(op.results[0])
    if 1 not in target or not _is_reduced(rw, op.operands[0], target):
        return False
    rw.replace(op, [_restored(rw, op.operands[0], target)])
    return True


def _is_reduced(rw: Rewriter, value: ir.Value, target: tuple[Dim, ...]) -> bool:
    producer = rw.producer(value, "reduce", "pointwise")
    if producer is None or not rw.has_one_use(value):
        return False
    if tw.short_name(producer) == "reduce":
        dims = rw.attribute(producer, "dims")
        kept = tuple(1 if i in dims else d for i, d in enumerate(rw.shape(producer.operands[0])))
        return not rw.attribute(producer, "keep_dims") and kept == target
    shapes = [rw.shape(v) for v in producer.operands]
    if len(producer.results) != 1 or rw.shape(value) not in shapes or any(s not in ((), rw.shape(value)) for s in shapes):
        return False
    return all(not shape or _is_reduced(rw, v, target) for v, shape in zip(producer.operands, shapes))


def _restored(rw: Rewriter, value: ir.Value, target: tuple[Dim, ...]) -> ir.Value:
    producer = rw.producer(value)
    assert producer is not None
    if tw.short_name(producer) == "reduce":
        attributes = rw.attributes(producer)
        return rw.build("reduce", producer.operands[0], dims=attributes["dims"], kind=attributes["kind"], keep_dims=True)
    operands = [_restored(rw, v, target) if rw.shape(v) else v for v in producer.operands]
    return rw.pointwise(operands, rw.yields(producer), target, producer.location)[0]
