"""One kernel from level 2 to level 3: by its template, or through linalg and the loop emitter."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.linalg.lower_to_linalg import check_lowerable, lower_function
from tilewright.lowering.loops.function import emit_loops
from tilewright.lowering.loops.plan import Knobs
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.loops import KINDS, LoopSchedule, check_loop_schedule
from tilewright.targets import Target

TEMPLATES: dict[str, str] = {
    "matmul": "tilewright.lowering.templates.matmul.lower:lower_matmul_kernel",
    "attention": "tilewright.lowering.templates.attention.lower:lower_attention_kernel",
    "attention-decode": "tilewright.lowering.templates.attention_decode.lower:lower_attention_decode_kernel",
}
"""Schedule kind to `module:function`, called with the kernel function and the target; it replaces the function in its module."""


@dataclass
class Lowered:
    """A module at level 3 and the size expressions of its kernel."""

    module: ir.Module
    trip_count: str
    scratch: str


def lower_kernel(module: ir.Module, target: Target, fast_math: bool = False) -> Lowered:
    """Lower the one kernel function of `module` in place. `fast_math` allows the faster, less exact transcendental functions.

    Raises InputError for an unknown or illegal schedule, and UnsupportedError naming the ops without a lowering.
    """
    kernels = [f for f in tw.functions(module) if "tw.kernel" in f.operation.attributes]
    if len(kernels) != 1:
        raise InputError(f"a module with one kernel is lowered at a time, this one has {len(kernels)}")
    lower_kernel_function(kernels[0], target, fast_math)
    for function in tw.functions(module):
        attributes = function.operation.attributes
        if "tw.trip_count" in attributes:
            return Lowered(module, *(ir.StringAttr(attributes[n]).value for n in ("tw.trip_count", "tw.scratch")))
    raise UnsupportedError("the lowering left no level 3 function", remedy="this is a defect of a template; report it")


def lower_kernel_function(function: ir.OpView, target: Target, fast_math: bool = False) -> None:
    """Lower one kernel function by its schedule, in place."""
    schedule = read_schedule(function)
    kind = str(schedule.get("kind", "rows"))
    if kind in TEMPLATES:
        _template(kind)(function, target)
        return
    if kind not in KINDS:
        raise InputError(
            f"unknown schedule kind {kind!r}", where=tw.location_text(function.location), remedy=f"one of {', '.join((*KINDS, *TEMPLATES))}"
        )
    lower_loops(function, target, fast_math)


def lower_loops(function: ir.OpView, target: Target, fast_math: bool = False) -> ir.OpView:
    """Lower a loop kernel through linalg; returns the level 3 function."""
    schedule = LoopSchedule.from_attributes({"kind": "rows", **read_schedule(function)})
    illegal = check_loop_schedule(schedule, target)
    if illegal is not None:
        raise InputError("the schedule of a kernel is not legal", where=tw.location_text(function.location), why=illegal)
    check_lowerable([function])
    linalg = lower_function(function)
    return emit_loops(linalg, target, Knobs(schedule.kind, schedule.unroll, schedule.rows_per_unit), fast_math)


def _template(kind: str) -> Callable[[ir.OpView, Target], object]:
    module, _, name = TEMPLATES[kind].partition(":")
    function: Callable[[ir.OpView, Target], object] = getattr(importlib.import_module(module), name)
    return function
