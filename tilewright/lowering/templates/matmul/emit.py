"""A matmul kernel from its problem, schedule and epilogue: the four seams put together."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.kernel_function import KernelBody, emit_kernel_function
from tilewright.lowering.templates.matmul.epilogue import Epilogue, EpilogueStore
from tilewright.lowering.templates.matmul.instruction import select_instruction
from tilewright.lowering.templates.matmul.lhs_loaders import select_lhs_loader
from tilewright.lowering.templates.matmul.loader_context import LoaderContext
from tilewright.lowering.templates.matmul.loops import MatmulLoops, unit_count
from tilewright.lowering.templates.matmul.problem import MatmulProblem
from tilewright.lowering.templates.matmul.rhs_loaders import select_rhs_loader
from tilewright.lowering.templates.memory import Scratch, scratch_view
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.targets import Target


def emit_matmul(
    name: str,
    problem: MatmulProblem,
    schedule: MatmulSchedule,
    epilogue: Epilogue,
    target: Target,
    inputs: Sequence[str],
    outputs: Sequence[str],
    symbols: Sequence[str],
) -> ir.OpView:
    """The level 3 function `name`. `inputs` and `outputs` are the element types of its arguments; accesses of `problem` name them
    by position. Raises UnsupportedError where the target has no instruction for the element types.
    """
    instruction = select_instruction(target, problem.lhs.dtype, problem.rhs.dtype, "f32")

    def emit(body: KernelBody) -> tuple[Dim, Dim]:
        index, scratch = body.index, Scratch()
        store = EpilogueStore(
            problem,
            epilogue,
            index,
            [body.inputs[a.buffer] for a in problem.operands],
            [body.outputs[a.buffer] for a in problem.results],
            schedule.nr,
            instruction.lanes,
        )
        tile = None
        if not store.in_registers:
            tile = scratch_view(body.scratch, scratch.reserve(schedule.mr * schedule.nr, "f32"), "f32", index)
        contexts = [
            LoaderContext(problem, index, body.inputs[a.buffer], body.scratch, instruction.lanes) for a in (problem.lhs, problem.rhs)
        ]
        lhs = select_lhs_loader(contexts[0], scratch, schedule.mb)
        rhs = select_rhs_loader(contexts[1], scratch, schedule.nr)
        MatmulLoops(problem, schedule, index, instruction, lhs, rhs, store, tile).emit(body.lo, body.hi)
        return unit_count(problem, schedule), scratch.bytes

    return emit_kernel_function(name, inputs, outputs, symbols, emit)
