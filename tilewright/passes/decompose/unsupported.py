"""`tw-decompose-unsupported`: what no kernel template of the target covers, as simpler ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.passes.decompose import attention
from tilewright.passes.decompose.registry import decompositions
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.schedules.attention_decode import why_no_template
from tilewright.targets import Target, find

assert attention, "imported for its decomposition"

REASONS: dict[str, Callable[[ir.Operation, Target], str | None]] = {"attention": why_no_template}
"""Ops that need a template: why the target's template does not cover an op, None where it does."""


@register_pass
@dataclass(frozen=True)
class DecomposeUnsupported(Pass):
    """Replace the ops that no kernel template of `target` covers by simpler ops with the same semantics.

    What is made so is slower than a template: each case, with its reason, is listed in the function's `tw.decomposed`, which the
    compile report shows.

    Before: `%o = "tw.attention"(%q, %k, %v) {softcap = 30.0, ...}`, where the template knows no soft cap
    After: matmul, pointwise, softmax, matmul
    """

    name: ClassVar[str] = "tw-decompose-unsupported"
    target: str = option("native", help="name of the target, as `tilewright targets` lists them")

    def run(self, module: ir.Module) -> None:
        target = find(self.target)
        cases: list[str] = []
        patterns = PatternSet()

        @patterns.on(*REASONS)
        def decompose(rw: Rewriter, op: ir.Operation) -> bool:
            name = tw.short_name(op) or ""
            reason = REASONS[name](op, target)
            if reason is None:
                return False
            cases.append(f"{name} at {tw.location_text(op.location) or 'an unknown place'}: {reason}")
            rw.replace(op, decompositions[name](rw, op))
            return True

        rewrite(module, patterns)
        for function in tw.functions(module):
            if cases and "tw.kernel" not in function.operation.attributes:
                texts = [ir.StringAttr.get(case) for case in cases]
                function.operation.attributes["tw.decomposed"] = ir.ArrayAttr.get(texts)
