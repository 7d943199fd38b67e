"""Lower a level 2 matmul kernel to level 3."""

from __future__ import annotations

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.templates.bf16_expansion import expand_bf16
from tilewright.lowering.templates.legal_schedule import read_legal_schedule
from tilewright.lowering.templates.matmul.emit import emit_matmul
from tilewright.lowering.templates.matmul.problem import MatmulProblem
from tilewright.lowering.templates.matmul.recognize import recognize_matmul
from tilewright.passes.schedules.matmul import MatmulSchedule, check_matmul_schedule
from tilewright.passes.schedules.matmul_instructions import LAYOUTS, why_unfit
from tilewright.targets import Target


def lower_matmul_kernel(function: ir.OpView, target: Target) -> ir.OpView:
    """Replace a kernel function whose `tw.schedule` has kind "matmul" by its level 3 form, in place.

    Raises UnsupportedError for a kernel that is not matmuls of one left side with movement before and a pointwise epilogue behind
    them, and VerifyError for a schedule that is not legal on `target`.
    """
    name = ir.StringAttr(function.operation.attributes["sym_name"]).value
    schedule = read_legal_schedule(function, target, MatmulSchedule.from_attributes, check_matmul_schedule)
    kernel = recognize_matmul(function, target)
    why = _misfit(kernel.problem, schedule)
    if why is not None:
        raise VerifyError(
            f"the schedule of kernel @{name} does not fit it",
            where=tw.location_text(function.location),
            why=why,
            remedy="run tw-pack-weights after tw-select-schedule",
        )
    with ir.InsertionPoint(function), function.location:
        lowered = emit_matmul(
            name, kernel.problem, schedule, kernel.epilogues, target, kernel.inputs, kernel.outputs, list(tw.symbols_of(function))
        )
    expand_bf16(lowered, target)
    function.operation.erase()
    return lowered


def _misfit(problem: MatmulProblem, schedule: MatmulSchedule) -> str | None:
    """Why a legal schedule does not fit the kernel's element types and right sides."""
    why = why_unfit(schedule.instruction, problem.rhs_dtype, problem.k)
    if why is not None:
        return why
    layout = LAYOUTS[problem.rhs_dtype][schedule.instruction]
    if schedule.k_block % layout.group:
        return f"blocks of {schedule.k_block} along k are not made of groups of {layout.group}"
    sides = max(len(columns.rhs) for columns in problem.columns)
    if sides > schedule.sides:
        return f"the kernel multiplies by {sides} right sides at once, the tile is for {schedule.sides}"
    for rhs in (rhs for columns in problem.columns for rhs in columns.rhs):
        if rhs.packed is not None and rhs.packed.nr != schedule.nr:
            return f"packed weights have panels of {rhs.packed.nr} columns, the tile {schedule.nr}"
        if rhs.packed is not None and (rhs.packed.group, rhs.packed.lhs_offset) != (layout.group, layout.lhs_offset):
            packed = f"groups of {rhs.packed.group} and sums for an offset of {rhs.packed.lhs_offset}"
            return f"packed weights have {packed}, {schedule.instruction} reads groups of {layout.group} and {layout.lhs_offset}"
    return None
