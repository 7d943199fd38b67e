"""`tw-cse`: equal ops once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.passes.rewrite import Rewriter, defined_functions, has_effect

_KEPT = ("state_read", "kernel", "launch")


@register_pass
@dataclass(frozen=True)
class EliminateCommonSubexpressions(Pass):
    """Replace an op by an earlier one with the same operands, attributes, types and region.

    Regions are equal when they compute the same expressions, however they are written down. Reads of state are kept: the state may have
    changed between them.

    Before: `%1 = "tw.softmax"(%x) {dim = 1}`, `%2 = "tw.softmax"(%x) {dim = 1}`
    After: `%1 = "tw.softmax"(%x) {dim = 1}`, uses of `%2` are uses of `%1`
    """

    name: ClassVar[str] = "tw-cse"

    def run(self, module: ir.Module) -> None:
        for function in defined_functions(module):
            eliminate(Rewriter(function))


def eliminate(rw: Rewriter) -> list[ir.Operation]:
    """Remove duplicates from the function; returns the ops whose operands changed."""
    first: dict[tuple[Any, ...], ir.Operation] = {}
    changed: dict[ir.Value, ir.Operation] = {}
    for op in [o.operation for o in rw.block.operations]:
        name = tw.short_name(op)
        if name is None or name in _KEPT or has_effect(op):
            continue
        key = _key(rw, op, name)
        known = first.setdefault(key, op)
        if known is not op:
            for user in (use.owner.operation for result in op.results for use in result.uses):
                if len(user.results):
                    changed[user.results[0]] = user
            changed.pop(op.results[0], None)
            rw.replace(op, list(known.results))
    return list(changed.values())


def _key(rw: Rewriter, op: ir.Operation, name: str) -> tuple[Any, ...]:
    attributes = op.attributes
    region = tuple(map(id, rw.yields(op))) if len(op.regions) else ()
    return (
        name,
        tuple(op.operands),
        tuple((n, attributes[n]) for n in sorted(attributes)) if len(attributes) else (),
        tuple(r.type for r in op.results),
        region,
    )
