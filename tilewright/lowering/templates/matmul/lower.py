"""Lower a level 2 matmul kernel to level 3."""

from __future__ import annotations

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.templates.matmul.emit import emit_matmul
from tilewright.lowering.templates.matmul.recognize import recognize_matmul
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.matmul import MatmulSchedule, check_matmul_schedule
from tilewright.targets import Target


def lower_matmul_kernel(function: ir.OpView, target: Target) -> ir.OpView:
    """Replace a kernel function whose `tw.schedule` has kind "matmul" by its level 3 form, in place.

    Raises UnsupportedError for a kernel that is not one matmul with movement before and a pointwise epilogue behind it, and
    VerifyError for a schedule that is not legal on `target`.
    """
    name = ir.StringAttr(function.operation.attributes["sym_name"]).value
    schedule = MatmulSchedule.from_attributes(read_schedule(function))
    why = check_matmul_schedule(schedule, target)
    if why is not None:
        raise VerifyError(
            f"the schedule of kernel @{name} is not legal",
            where=tw.location_text(function.location),
            why=why,
            remedy="remove tw.schedule and let tw-select-schedule choose one",
        )
    kernel = recognize_matmul(function, target)
    packed = kernel.problem.packed
    if packed is not None and packed.nr != schedule.nr:
        raise VerifyError(
            f"the schedule of kernel @{name} does not fit its packed weight",
            where=tw.location_text(function.location),
            why=f"panels have {packed.nr} columns, the tile {schedule.nr}",
            remedy="run tw-pack-weights after tw-select-schedule",
        )
    with ir.InsertionPoint(function), function.location:
        lowered = emit_matmul(
            name, kernel.problem, schedule, kernel.epilogue, target, kernel.inputs, kernel.outputs, list(tw.symbols_of(function))
        )
    function.operation.erase()
    return lowered
