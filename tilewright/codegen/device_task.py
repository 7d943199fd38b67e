"""What a worker does for a device: one kernel from level 2 to PTX and, where asked for, a cubin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilewright.codegen.kernel_task import Clock, compile_context, save_llvm_ir
from tilewright.codegen.ptx import compile_ptx
from tilewright.codegen.ptxas import assemble
from tilewright.codegen.task import Report
from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.gpu.launch import read_launch
from tilewright.lowering.gpu.lower_to import lower_device_kernel
from tilewright.lowering.gpu.to_nvvm import lower_to_nvvm, translate
from tilewright.targets import find


def compile_device_kernel(text: str, settings: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Compile a module that holds one kernel function of level 2.

    Settings: `target` (a name), `fast_math`, `opt_level`, `dumps`, `assemble` (run ptxas). Returns `cubin` (bytes, empty when not
    assembled) and JSON values: ptx, grid, block, shared_bytes, registers and spills (None when not assembled), seconds, dumps.
    """
    clock = Clock(report)
    target = find(settings["target"])
    clock.enter("read")
    dumps: dict[str, str] = {}
    with compile_context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        kernels = [f for f in tw.functions(module) if "tw.kernel" in f.operation.attributes]
        if len(kernels) != 1:
            raise InputError(f"a module with one kernel is compiled at a time, this one has {len(kernels)}")
        clock.enter("lower")
        gpu_module = lower_device_kernel(kernels[0], target, bool(settings.get("fast_math"))).operation
        launch = read_launch(gpu_module)
        dumps["gpu.mlir"] = str(module)
        clock.enter("to-nvvm")
        lower_to_nvvm(module, target)
        dumps["level4.mlir"] = str(module)
        clock.enter("translate")
        llvm_ir = translate(gpu_module)
        dumps["llvm.ll"] = llvm_ir
    save_llvm_ir(llvm_ir, settings)
    clock.enter("llvm")
    ptx = compile_ptx(llvm_ir, target, settings.get("opt_level", 3))
    result: dict[str, Any] = {
        "ptx": ptx,
        "cubin": b"",
        "grid": list(launch.grid),
        "block": list(launch.block),
        "shared_bytes": launch.shared_bytes,
        "registers": None,
        "spills": None,
    }
    if settings.get("assemble"):
        clock.enter("ptxas")
        assembled = assemble(ptx, target, settings.get("opt_level", 3))
        resources = assembled.resources[launch.name]
        result |= {"cubin": assembled.cubin, "registers": resources.registers, "spills": resources.spills, "shared_bytes": resources.shared}
    clock.enter("")
    return result | {"seconds": clock.seconds, "dumps": {**dumps, "ptx": ptx} if settings.get("dumps") else {}}
