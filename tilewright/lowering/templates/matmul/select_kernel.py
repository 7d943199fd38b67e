"""From the instruction of a schedule to the micro-kernel that is made of it."""

from __future__ import annotations

from tilewright.lowering.templates.index_math import IndexMath
from tilewright.lowering.templates.matmul.instructions.select import find_instruction
from tilewright.lowering.templates.matmul.micro_kernel import MicroKernel
from tilewright.lowering.templates.matmul.pair_kernel import INTRINSICS, PairKernel
from tilewright.lowering.templates.matmul.vector_kernel import VectorKernel
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.matmul_instructions import LAYOUTS
from tilewright.targets import Target


def select_micro_kernel(schedule: MatmulSchedule, target: Target, dtype: str, index: IndexMath) -> MicroKernel:
    """The micro-kernel for operands of `dtype`, which the schedule's instruction must be able to multiply.

    Raises UnsupportedError where the instruction cannot be emitted for the target.
    """
    if schedule.instruction in INTRINSICS:
        return PairKernel(LAYOUTS[dtype][schedule.instruction], schedule, index)
    return VectorKernel(find_instruction(target, schedule.instruction, dtype), schedule, index)
