"""`tw-dce`: unused ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.passes.rewrite import PatternSet, rewrite


@register_pass
@dataclass(frozen=True)
class EliminateDeadCode(Pass):
    """Remove ops whose results nobody uses. Ops that write state stay.

    Before: `%1 = "tw.transpose"(%x) ...` and no use of `%1`
    After: nothing
    """

    name: ClassVar[str] = "tw-dce"

    def run(self, module: ir.Module) -> None:
        rewrite(module, PatternSet())
