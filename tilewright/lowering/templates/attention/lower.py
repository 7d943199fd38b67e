"""Lower a level 2 attention kernel to level 3."""

from __future__ import annotations

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, ceildiv, product
from tilewright.dialects import tw
from tilewright.lowering.math.lanes import Lanes
from tilewright.lowering.templates.attention.kernel import AttentionBuffers, AttentionLoops
from tilewright.lowering.templates.attention.problem import AttentionProblem, Strided
from tilewright.lowering.templates.attention.recognize import recognize_attention
from tilewright.lowering.templates.attention.rows import QueryRows
from tilewright.lowering.templates.kernel_function import KernelBody, emit_kernel_function
from tilewright.lowering.templates.matmul.instructions.select import select_instruction
from tilewright.lowering.templates.memory import Flat, Scratch, scratch_view
from tilewright.lowering.templates.views import times
from tilewright.passes.schedules.attention import AttentionSchedule, check_attention_schedule
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.targets import Target


def lower_attention_kernel(function: ir.OpView, target: Target) -> ir.OpView:
    """Replace a kernel function whose `tw.schedule` has kind "attention" by its level 3 form, in place.

    Raises UnsupportedError for a kernel that is not one attention that the template covers with movement around it, and VerifyError
    for a schedule that is not legal on `target`.
    """
    name = ir.StringAttr(function.operation.attributes["sym_name"]).value
    schedule = AttentionSchedule.from_attributes(read_schedule(function))
    why = check_attention_schedule(schedule, target)
    if why is not None:
        raise VerifyError(
            f"the schedule of kernel @{name} is not legal",
            where=tw.location_text(function.location),
            why=why,
            remedy="remove tw.schedule and let tw-select-schedule choose one",
        )
    kernel = recognize_attention(function, target)
    problem = kernel.problem
    instruction = select_instruction(target, problem.q.dtype, problem.k.dtype, "f32")

    def emit(body: KernelBody) -> tuple[Dim, Dim]:
        rows = QueryRows(problem, body.index, instruction.lanes, schedule.vectors)
        scratch = Scratch()
        buffers = _buffers(problem, schedule, body, scratch, rows.tile)
        lanes = Lanes(instruction.vector_type(), target)
        AttentionLoops(problem, schedule, body.index, instruction, rows, buffers, lanes).emit(body.lo, body.hi)
        tiles = ceildiv(times(problem.queries, problem.group), rows.tile)
        return product([problem.batch, problem.kv_heads, tiles]), scratch.bytes

    with ir.InsertionPoint(function), function.location:
        lowered = emit_kernel_function(name, kernel.inputs, kernel.outputs, list(tw.symbols_of(function)), emit)
    function.operation.erase()
    return lowered


def _buffers(problem: AttentionProblem, schedule: AttentionSchedule, body: KernelBody, scratch: Scratch, tile: int) -> AttentionBuffers:
    def region(elements: Dim) -> Flat:
        return scratch_view(body.scratch, scratch.reserve(elements, "f32"), "f32", body.index)

    def argument(number: int | None) -> Flat | None:
        return None if number is None else body.inputs[number]

    addends = None
    if problem.mask is not None:
        addends = region(schedule.block * tile if problem.mask_varies_by_lane else problem.keys)
    return AttentionBuffers(
        q=body.inputs[problem.q.buffer],
        k=body.inputs[problem.k.buffer],
        v=body.inputs[problem.v.buffer],
        out=body.outputs[0],
        queries=region(problem.head_size * tile),
        # The last tile of a block stores whole rows of keys.
        scores=region(schedule.block * tile),
        sums=region(problem.value_size * tile),
        factors=region(tile),
        mask=None if problem.mask is None else body.inputs[problem.mask.buffer],
        addends=addends,
        kv_len=argument(problem.kv_len),
        q_offset=argument(problem.q_offset),
        copied_k=None if _is_dense(problem.k, problem.head_size) else region(times(problem.keys, problem.head_size)),
        copied_v=None if _is_dense(problem.v, problem.value_size) else region(times(problem.keys, problem.value_size)),
    )


def _is_dense(tensor: Strided, size: int) -> bool:
    """Whether the rows of a head follow each other in memory."""
    return tensor.row == size and (tensor.column == 1 or size == 1)
