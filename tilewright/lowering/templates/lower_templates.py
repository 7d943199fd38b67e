"""`tw-lower-templates`: matmul and attention kernels from level 2 to level 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.lowering.templates.attention.lower import lower_attention_kernel
from tilewright.lowering.templates.attention_decode.lower import lower_attention_decode_kernel
from tilewright.lowering.templates.matmul.lower import lower_matmul_kernel
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.targets import find

LOWERINGS = {
    "matmul": lower_matmul_kernel,
    "attention": lower_attention_kernel,
    "attention-decode": lower_attention_decode_kernel,
}
"""Schedule kind to what lowers a kernel of it."""


@register_pass
@dataclass(frozen=True)
class LowerTemplates(Pass):
    """Emit every kernel whose schedule has kind "matmul", "attention" or "attention-decode" as scf, vector and memref code for a CPU.

    Before: `func.func private @k(%x: tensor<?x384xf32, "d0, 384">, ...) -> ... attributes {tw.schedule = {kind = "matmul", ...}}`
    After: `func.func @k(%x: memref<f32>, ..., %scratch: memref<i8>, %d0: index, %lo: index, %hi: index)` (docs/levels.md, level 3)

    Other functions stay as they are. Raises UnsupportedError for a kernel that its template does not cover and VerifyError for a
    schedule that is not legal on the target.
    """

    name: ClassVar[str] = "tw-lower-templates"
    target: str = option("native", help="name of the target, as `tilewright targets` lists them")

    def run(self, module: ir.Module) -> None:
        target = find(self.target)
        for function in list(tw.functions(module)):
            lower = LOWERINGS.get(str(read_schedule(function).get("kind")))
            if lower is not None:
                lower(function, target)
