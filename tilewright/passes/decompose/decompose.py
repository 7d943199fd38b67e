"""`tw-decompose`: chosen ops as simpler ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass, suggest
from tilewright.dialects import tw
from tilewright.passes.decompose import attention, normalization, position
from tilewright.passes.decompose.registry import decompositions
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite

assert attention and normalization and position, "imported for their decompositions"


@register_pass
@dataclass(frozen=True)
class Decompose(Pass):
    """Replace the ops named in `ops` by simpler `tw` ops with the same semantics, for targets and cases without a kernel for them.

    Known are attention, group_norm, layer_norm, rms_norm, rope, softmax; without the option, all of them.

    Before: `%y = "tw.softmax"(%x) {dim = 1}`
    After: reduce max, pointwise exp, reduce add, pointwise divide
    """

    name: ClassVar[str] = "tw-decompose"
    ops: tuple[str, ...] = option((), help="names of the ops to decompose, without the dialect; none given: all that can be")

    def __post_init__(self) -> None:
        for name in self.ops:
            if name not in decompositions:
                known = ", ".join(sorted(decompositions))
                raise ValueError(f"no decomposition of {name!r}; {suggest(name, decompositions) or f'there are those of {known}'}")

    def run(self, module: ir.Module) -> None:
        patterns = PatternSet()

        @patterns.on(*(self.ops or decompositions))
        def decompose(rw: Rewriter, op: ir.Operation) -> bool:
            name = tw.short_name(op)
            assert name is not None
            rw.replace(op, decompositions[name](rw, op))
            return True

        rewrite(module, patterns)
