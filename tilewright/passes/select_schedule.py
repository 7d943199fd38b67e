"""`tw-select-schedule`: a schedule attribute on every kernel, by ordered rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.passes.schedules.attention import choose_attention_schedule
from tilewright.passes.schedules.attention_decode import choose_attention_decode_schedule
from tilewright.passes.schedules.attribute import schedule_attribute
from tilewright.passes.schedules.database import Entry, read_database
from tilewright.passes.schedules.gpu import choose_gpu_schedule, mark_unsupported
from tilewright.passes.schedules.kernel_identity import kernel_digest
from tilewright.passes.schedules.loops import choose_loop_schedule
from tilewright.passes.schedules.matmul_rule import choose_matmul_schedule
from tilewright.targets import Target, find

Rule = Callable[[ir.OpView, Target], "dict[str, Any] | None"]

RULES: dict[str, tuple[Rule, ...]] = {
    "cpu": (choose_matmul_schedule, choose_attention_decode_schedule, choose_attention_schedule, choose_loop_schedule),
    "cuda": (choose_gpu_schedule, mark_unsupported),
}
"""By the kind of target: the first rule that returns a schedule wins."""


@register_pass
@dataclass(frozen=True)
class SelectSchedule(Pass):
    """Write `tw.schedule` on every kernel function that has none: how it is tiled for the target, and which rule said so.

    Lowering reads the attribute and decides nothing. A schedule that is there stays. An entry of the database `schedules` for the kernel
    and the target overrides the rules; entries for other targets are ignored, an illegal one is an error.

    Before: `func.func private @matmul(...) attributes {tw.kernel}`
    After: `... attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8, nr = 48, rhs = "packed", source = "rule:dense"}}`
    """

    name: ClassVar[str] = "tw-select-schedule"
    target: str = option("native", help="name of the target, as `tilewright targets` lists them")
    schedules: str | None = option(None, help="file of schedules that `tilewright tune` wrote")

    def run(self, module: ir.Module) -> None:
        target = find(self.target)
        tuned = {} if self.schedules is None else read_database(self.schedules).for_target(target)
        missing: list[str] = []
        for function in tw.functions(module):
            attributes = function.operation.attributes
            if "tw.kernel" not in attributes or "tw.schedule" in attributes:
                continue
            schedule = next((s for rule in RULES[target.kind] if (s := rule(function, target)) is not None), None)
            if schedule is None:
                missing.append(f"{ir.StringAttr(attributes['sym_name']).value} at {tw.location_text(function.location)}")
                continue
            entry = tuned.get(kernel_digest(function)) if tuned else None
            if entry is not None and entry.decides:
                schedule = _override(schedule, entry, function)
            attributes["tw.schedule"] = schedule_attribute(schedule)
        if missing:
            raise UnsupportedError(
                f"{len(missing)} kernels have no schedule for {target.name}", why="\n".join(missing), remedy="see `tilewright targets`"
            )


def _override(schedule: dict[str, Any], entry: Entry, function: ir.OpView) -> dict[str, Any]:
    """The entry's schedule in place of the rule's. How the operands are stored follows from the kernel and cannot be overridden."""
    given = entry.attributes
    for field in ("kind", "rhs", "sides"):
        if given.get(field) != schedule.get(field):
            raise InputError(
                f"the schedule of {entry} does not fit its kernel",
                where=tw.location_text(function.location),
                why=f"{field} = {given.get(field)!r}, the kernel needs {schedule.get(field)!r}",
                remedy="remove the entry, or tune the kernel again",
            )
    return given
