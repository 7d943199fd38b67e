"""What a worker does: one kernel from level 2 to an object, or the host program from arith/scf/llvm to an object."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tilewright.codegen.function_attributes import hide_definitions
from tilewright.codegen.llvm_object import compile_object
from tilewright.codegen.task import LOWER_KERNEL, Report, resolve
from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw
from tilewright.lowering.lower_kernel import TEMPLATES
from tilewright.lowering.to_llvm import lower_to_llvm, translate
from tilewright.targets import Target, find


def warm_up() -> None:
    """Pay once, before the first task, for imports and for what MLIR and LLVM set up at their first use."""
    for path in (LOWER_KERNEL, *TEMPLATES.values()):
        resolve(path)
    with compile_context(), ir.Location.unknown():
        _to_object(ir.Module.parse("func.func @nothing() { return }"), find("cpu:x86-64-v3"), {}, Clock(lambda _: None), ())


class LoweredKernel(Protocol):
    """What the lowering of a kernel returns: a module at level 3 and two size expressions over the kernel's symbols."""

    module: ir.Module
    trip_count: str
    scratch: str


class Clock:
    """Seconds by phase; each phase is also reported to the parent."""

    def __init__(self, report: Report) -> None:
        self.seconds: dict[str, float] = {}
        self._report = report
        self._started = time.perf_counter()
        self._phase = ""

    def enter(self, phase: str) -> None:
        """Begin `phase`; the empty name ends the last one."""
        now = time.perf_counter()
        if self._phase:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._started
        self._started, self._phase = now, phase
        if phase:
            self._report(phase)


def compile_kernel(text: str, settings: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Compile a module that holds one kernel function of level 2.

    Settings: `target` (a name), `lower` (`module:function` called with the module, the Target and `fast_math`, which returns a
    LoweredKernel), `fast_math`, `opt_level`, `dumps`. Returns `object` (bytes) and JSON values: trip_count,
    scratch, slow_path, instruction_mix, seconds and dumps.
    """
    clock = Clock(report)
    target = find(settings["target"])
    clock.enter("read")
    lower = resolve(settings["lower"])
    with compile_context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        clock.enter("lower")
        lowered: LoweredKernel = lower(module, target, bool(settings.get("fast_math")))
        result = {"trip_count": str(lowered.trip_count), "scratch": str(lowered.scratch), "slow_path": _slow_path(lowered.module)}
        return result | _to_object(lowered.module, target, settings, clock, ())


def _slow_path(module: ir.Module) -> str | None:
    """Why the lowering fell back to scalar code, as it wrote into `tw.slow_path`."""
    for function in tw.functions(module):
        if "tw.slow_path" in function.operation.attributes:
            return ir.StringAttr(function.operation.attributes["tw.slow_path"]).value
    return None


def compile_host_program(text: str, settings: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Compile the host program, as `build_host_program` built it. Settings: `target`, `kernels` (names left to the linker), `exports`."""
    clock = Clock(report)
    target = find(settings["target"])
    clock.enter("read")
    with compile_context(), ir.Location.unknown():
        return _to_object(ir.Module.parse(text), target, settings, clock, settings["exports"])


def compile_context() -> ir.Context:
    """A new context that knows `tw` ops."""
    context = new_context()
    tw.load(context)
    return context


def save_llvm_ir(llvm_ir: str, settings: Mapping[str, Any]) -> None:
    """Write what LLVM is about to compile to the file that the setting `llvm_ir_file` names, if any. Raises InputError."""
    path = settings.get("llvm_ir_file")
    if path is None:
        return
    try:
        Path(path).write_text(llvm_ir)
    except OSError as error:
        raise InputError("the LLVM IR cannot be written", where=path, why=error.strerror or str(error)) from error


def _to_object(module: ir.Module, target: Target, settings: Mapping[str, Any], clock: Clock, exports: Any) -> dict[str, Any]:
    dumps: dict[str, str] = {}
    if settings.get("dumps"):
        dumps["level3.mlir"] = str(module)
    clock.enter("to-llvm")
    lower_to_llvm(module)
    clock.enter("translate")
    llvm_ir = hide_definitions(translate(module), frozenset(exports))
    save_llvm_ir(llvm_ir, settings)
    clock.enter("llvm")
    done = compile_object(
        llvm_ir,
        target,
        opt_level=settings.get("opt_level", 3),
        want_assembly=bool(settings.get("dumps")),
        allowed_undefined=frozenset(settings.get("kernels", ())),
    )
    clock.enter("")
    if settings.get("dumps"):
        dumps |= {"llvm.ll": llvm_ir, "optimized.ll": done.optimized_ir or "", "assembly.s": done.assembly or ""}
    return {"object": done.object, "instruction_mix": done.instruction_mix, "seconds": clock.seconds, "dumps": dumps}
