"""`tw-simplify`: all simplifications until nothing changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.passes.rewrite import PatternSet, Rewriter, defined_functions
from tilewright.passes.simplify import cse
from tilewright.passes.simplify.accumulation import patterns as accumulation
from tilewright.passes.simplify.contraction import patterns as contraction
from tilewright.passes.simplify.fold_constants import patterns as constants
from tilewright.passes.simplify.fold_weights import patterns as weights
from tilewright.passes.simplify.gathering import patterns as gathering
from tilewright.passes.simplify.movement import patterns as movement
from tilewright.passes.simplify.pointwise import patterns as pointwise
from tilewright.passes.simplify.slicing import patterns as slicing

patterns = PatternSet(weights, constants, pointwise, movement, slicing, gathering, contraction, accumulation)


@register_pass
@dataclass(frozen=True)
class Simplify(Pass):
    """Make a program smaller: fold what is known, cancel movement, simplify regions, share equal ops, drop unused ones.

    The patterns of tw-fold-weights, tw-fold-constants, tw-simplify-pointwise, tw-simplify-movement, tw-simplify-accumulation, tw-cse and
    tw-dce, together until none applies. Types of inputs and outputs and the values of outputs do not change.

    Before: `%1 = "tw.transpose"(%x)`, `%2 = "tw.transpose"(%1)`, `%3 = "tw.pointwise"(%2, %zeros) ({ addf })`
    After: `%x`
    """

    name: ClassVar[str] = "tw-simplify"

    def run(self, module: ir.Module) -> None:
        for function in defined_functions(module):
            run_to_fixpoint(Rewriter(function, patterns))


def run_to_fixpoint(rw: Rewriter) -> None:
    """Apply the rewriter's patterns and remove duplicates until nothing changes."""
    rw.run()
    while True:
        changed = cse.eliminate(rw)
        if not changed or not rw.run(changed):
            break
