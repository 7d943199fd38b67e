"""`tw-lower-to-gpu`: kernels of level 2 (or of linalg stages) to GPU kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.diagnostics import InputError, UnsupportedError
from tilewright.core.mlir import gpu, ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.lowering.gpu.function import emit_device_kernel
from tilewright.lowering.linalg.lower_to_linalg import lower_function
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.gpu import UNSUPPORTED, GpuSchedule, check_gpu_schedule, choose_gpu_schedule, unsupported_ops
from tilewright.targets import Target, find


@register_pass
@dataclass(frozen=True)
class LowerToGpu(Pass):
    """Lower every kernel function to a `gpu.module` with one `gpu.func`, as its schedule says.

    A kernel without a schedule gets the one that `tw-select-schedule` would choose.

    Before: `func.func private @add(%x: tensor<?xf32, "d0">, ...) -> tensor<?xf32, "d0"> attributes {tw.kernel} { "tw.pointwise"... }`
    After: `gpu.module @add { gpu.func @add(%x: !llvm.ptr<1>, ..., %out: !llvm.ptr<1>, %d0: i64) kernel attributes {tw.grid, tw.block} }`
    """

    name: ClassVar[str] = "tw-lower-to-gpu"
    target: str = option("cuda:sm_90", help="name of a GPU target, as `tilewright targets` lists them")
    fast_math: bool = option(False, help="use the faster, less exact forms of transcendental functions")

    def run(self, module: ir.Module) -> None:
        target = find(self.target)
        for function in [f for f in tw.functions(module) if "tw.kernel" in f.operation.attributes]:
            lower_device_kernel(function, target, self.fast_math)


def lower_device_kernel(function: ir.OpView, target: Target, fast_math: bool = False) -> gpu.GPUModuleOp:
    """Replace one kernel function by its `gpu.module`; returns that.

    Raises UnsupportedError that names the ops without a lowering and where they come from, and InputError for an illegal schedule.
    """
    if not target.is_gpu:
        raise InputError(f"{target.name} is not a GPU", remedy="see `tilewright targets`")
    is_linalg = not any(tw.short_name(op) for op in _ops(function))
    missing = [] if is_linalg else list(unsupported_ops(function))
    if missing:
        names = sorted({op.operation.name for op in missing})
        places = list(dict.fromkeys(place for op in missing if (place := tw.location_text(op.location))))
        raise UnsupportedError(
            f"kernel @{_name(function)}: no lowering of {', '.join(names)} for {target.name}",
            where=places[0] if places else "",
            why="\n".join(places[1:]),
            remedy="compile for a CPU target, which has lowerings for all ops",
        )
    schedule = _schedule(function, target, is_linalg)
    illegal = check_gpu_schedule(schedule, target)
    if illegal is not None:
        where = tw.location_text(function.location)
        raise InputError(f"the schedule of kernel @{_name(function)} is not legal", where=where, why=illegal)
    linalg = function if is_linalg else lower_function(function)
    return emit_device_kernel(linalg, target, schedule, fast_math)


def _schedule(function: ir.OpView, target: Target, is_linalg: bool) -> GpuSchedule:
    values: dict[str, Any] | None = read_schedule(function)
    if (not values or values.get("kind") == UNSUPPORTED) and not is_linalg:
        values = choose_gpu_schedule(function, target)
    return GpuSchedule.from_attributes(values or {})


def _ops(function: ir.OpView) -> list[ir.OpView]:
    return list(function.operation.regions[0].blocks[0].operations)


def _name(function: ir.OpView) -> str:
    return ir.StringAttr(function.operation.attributes["sym_name"]).value
