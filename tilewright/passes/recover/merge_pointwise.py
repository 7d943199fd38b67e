"""`tw-merge-pointwise`: chains of pointwise ops in one region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.scalars import Scalar, walk
from tilewright.passes.simplify.scalar_rules import simplified

MAX_REGION = 256
"""Largest number of scalar ops in a merged region: beyond it, registers rather than memory limit the loop."""

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class MergePointwise(Pass):
    """Merge a pointwise op into its only user when that is a pointwise op of the same shape.

    Regions of a whole chain let scalar algebra and the recovery of activations see it, and make fewer ops for all that follows. Nothing is
    computed twice: a value with several users, or one that is broadcast, is not merged.

    Before: `%1 = "tw.pointwise"(%x) ({ exp })`, `%2 = "tw.pointwise"(%1, %y) ({ addf })`
    After: `%2 = "tw.pointwise"(%x, %y) ({ exp, addf })`
    """

    name: ClassVar[str] = "tw-merge-pointwise"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@patterns.on("pointwise")
def merge(rw: Rewriter, op: ir.Operation) -> bool:
    """Merge every operand's producer that may be merged."""
    shape = rw.shape(op.results[0])
    producers: list[ir.Operation | None] = []
    for value in op.operands:
        producer = rw.producer(value, "pointwise")
        fits = producer is not None and len(producer.results) == 1 and rw.shape(value) == shape and rw.has_one_use(value)
        producers.append(producer if fits else None)
    if all(p is None for p in producers):
        return False
    table = rw.scalars
    operands: list[ir.Value] = []
    index: dict[ir.Value, int] = {}

    def argument(value: ir.Value) -> Scalar:
        if value not in index:
            index[value] = len(operands)
            operands.append(value)
        return table.argument(index[value], rw.info(value).dtype)

    replaced: dict[Scalar, Scalar] = {}
    for i, (value, producer) in enumerate(zip(op.operands, producers)):
        old = table.argument(i, rw.info(value).dtype)
        if producer is None:
            replaced[old] = argument(value)
        else:
            inner = {table.argument(j, rw.info(v).dtype): argument(v) for j, v in enumerate(producer.operands)}
            replaced[old] = table.substitute(rw.yields(producer)[0], inner)
    memo: dict[Scalar, Scalar] = {}
    yields = [simplified(table, table.substitute(y, replaced, memo)) for y in rw.yields(op)]
    if sum(bool(s.args) for s in walk(yields)) > MAX_REGION:
        return False
    locations = [*(p.location for p in producers if p is not None), op.location]
    rw.replace(op, rw.pointwise(operands, yields, shape, ir.Location.fused(locations)))
    return True
