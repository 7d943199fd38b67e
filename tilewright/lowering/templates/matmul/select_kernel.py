"""From the instruction of a schedule to the micro-kernel that is made of it."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.lowering.templates.index_math import IndexMath
from tilewright.lowering.templates.matmul.instructions.select import find_instruction
from tilewright.lowering.templates.matmul.micro_kernel import MicroKernel
from tilewright.lowering.templates.matmul.pair_kernel import INTRINSICS, PairKernel
from tilewright.lowering.templates.matmul.tile_kernel import TileKernel
from tilewright.lowering.templates.matmul.vector_kernel import VectorKernel
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.matmul_instructions import LAYOUTS, find_record
from tilewright.targets import Target


def select_micro_kernel(
    schedule: MatmulSchedule, target: Target, dtype: str, index: IndexMath, configuration: Callable[[], Flat]
) -> MicroKernel:
    """The micro-kernel for operands of `dtype`, which the schedule's instruction must be able to multiply. `configuration` makes
    scratch of `CONFIGURATION_BYTES` for instructions that are configured.

    Raises UnsupportedError where the instruction cannot be emitted for the target.
    """
    record = find_record(target, schedule.instruction)
    if record is not None and record.tile:
        return TileKernel(record, LAYOUTS[dtype][schedule.instruction], schedule, index, configuration())
    if schedule.instruction in INTRINSICS:
        return PairKernel(LAYOUTS[dtype][schedule.instruction], schedule, index)
    return VectorKernel(find_instruction(target, schedule.instruction, dtype), schedule, index)
