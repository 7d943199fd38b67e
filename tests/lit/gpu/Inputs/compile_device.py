"""Compile the kernels of a module for a GPU and print what became of each: `compile_device.py FILE [TARGET] [ptxas] [complete]`.

A module with `@main` goes through the target's pipeline first. `ptxas`: assemble, and print spills and the size of shared memory.
`complete`: fail unless every kernel has a lowering.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tilewright.api.phases import Phase, pipeline
from tilewright.codegen.compile_device import DeviceKernel, compile_device_kernels
from tilewright.core.diagnostics import TilewrightError
from tilewright.core.mlir import ir, new_context
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.targets import find


def describe(kernel: DeviceKernel) -> str:
    """One line about a kernel, without figures that depend on the version of LLVM or ptxas."""
    text = f"{kernel.name}: grid {', '.join(kernel.grid)} block {kernel.block[0]} symbols {' '.join(kernel.symbols) or 'none'}"
    if kernel.cubin is None:
        return text
    assert kernel.cubin.startswith(b"\x7fELF") and kernel.registers
    return f"{text} spills {kernel.spills} shared {kernel.shared_bytes}"


def main(path: str, *options: str) -> int:
    names = [o for o in options if o not in ("ptxas", "complete")]
    target = find(names[0] if names else "cuda:sm_90")
    context = new_context()
    tw.load(context)
    with context:
        module = ir.Module.parseFile(path)
        tw.verify(module)
        if "@main" in Path(path).read_text():
            for phase in (Phase.FUSE, Phase.SCHEDULE):
                run_pipeline(module, pipeline(phase, target))
        try:
            code = compile_device_kernels(module, target, assemble="ptxas" in options)
            for kernel in code.kernels.values():
                print(describe(kernel))
            for missing in code.unsupported:
                print(f"unsupported {missing}".replace(str(Path(path).parent), "..."))
            if "complete" in options:
                code.require_complete()
        except TilewrightError as error:
            print(f"error: {error}".replace(str(Path(path).parent), "..."))
            return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
