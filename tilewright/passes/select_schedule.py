"""`tw-select-schedule`: a schedule attribute on every kernel, by ordered rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.passes.schedules.attention import choose_attention_schedule
from tilewright.passes.schedules.attribute import schedule_attribute
from tilewright.passes.schedules.gpu import choose_gpu_schedule, mark_unsupported
from tilewright.passes.schedules.loops import choose_loop_schedule
from tilewright.passes.schedules.matmul import choose_matmul_schedule
from tilewright.targets import Target, find

Rule = Callable[[ir.OpView, Target], "dict[str, Any] | None"]

RULES: dict[str, tuple[Rule, ...]] = {
    "cpu": (choose_matmul_schedule, choose_attention_schedule, choose_loop_schedule),
    "cuda": (choose_gpu_schedule, mark_unsupported),
}
"""By the kind of target: the first rule that returns a schedule wins."""


@register_pass
@dataclass(frozen=True)
class SelectSchedule(Pass):
    """Write `tw.schedule` on every kernel function that has none: how it is tiled for the target, and which rule said so.

    Lowering reads the attribute and decides nothing. A schedule written by hand or by a tuner stays.

    Before: `func.func private @matmul(...) attributes {tw.kernel}`
    After: `... attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8, nr = 48, rhs = "packed", source = "rule:dense"}}`
    """

    name: ClassVar[str] = "tw-select-schedule"
    target: str = option("native", help="name of the target, as `tilewright targets` lists them")

    def run(self, module: ir.Module) -> None:
        target = find(self.target)
        missing: list[str] = []
        for function in tw.functions(module):
            attributes = function.operation.attributes
            if "tw.kernel" not in attributes or "tw.schedule" in attributes:
                continue
            schedule = next((s for rule in RULES[target.kind] if (s := rule(function, target)) is not None), None)
            if schedule is None:
                missing.append(f"{ir.StringAttr(attributes['sym_name']).value} at {tw.location_text(function.location)}")
                continue
            attributes["tw.schedule"] = schedule_attribute(schedule)
        if missing:
            raise UnsupportedError(
                f"{len(missing)} kernels have no schedule for {target.name}", why="\n".join(missing), remedy="see `tilewright targets`"
            )
