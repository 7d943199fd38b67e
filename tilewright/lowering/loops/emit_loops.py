"""`tw-emit-loops`: linalg kernels become level 3 functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.lowering.linalg.lower_to_linalg import is_loop_kernel
from tilewright.lowering.loops.function import emit_loops
from tilewright.lowering.loops.plan import Knobs
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.loops import LoopSchedule, check_loop_schedule
from tilewright.targets import find


@register_pass
@dataclass(frozen=True)
class EmitLoops(Pass):
    """Emit every kernel of linalg generics (as `tw-lower-to-linalg` leaves them) as scf, vector and memref code for a CPU.

    Before: `func.func @k(%x: tensor<?xf32, "d0">, %d0: index) -> ... attributes {tw.kernel} { linalg.generic ... }`
    After: `func.func @k(%x: memref<f32>, %out: memref<f32>, %scratch: memref<i8>, %d0: index, %lo: index, %hi: index)`
    (docs/levels.md, level 3)

    A part that runs one element at a time is named in `tw.slow_path`. Raises UnsupportedError for ops without loops and InputError for
    a schedule that is not legal on the target.
    """

    name: ClassVar[str] = "tw-emit-loops"
    target: str = option("native", help="name of the target, as `tilewright targets` lists them")
    fast_math: bool = option(False, help="the faster, less exact forms of the transcendental functions")

    def run(self, module: ir.Module) -> None:
        target = find(self.target)
        for function in [f for f in tw.functions(module) if is_loop_kernel(f)]:
            schedule = LoopSchedule.from_attributes(read_schedule(function))
            illegal = check_loop_schedule(schedule, target)
            if illegal is not None:
                raise InputError("the schedule of a kernel is not legal", where=tw.location_text(function.location), why=illegal)
            emit_loops(function, target, Knobs(schedule.kind, schedule.unroll, schedule.rows_per_unit), self.fast_math)
