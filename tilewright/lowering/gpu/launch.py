"""How a GPU kernel is launched, read from its `gpu.func`."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects.tw.types import BYTES


@dataclass(frozen=True)
class Launch:
    """`grid`: blocks in x, y and z as expressions over the kernel's symbols; `block`: threads; `shared_bytes`: of a block, static."""

    name: str
    grid: tuple[str, str, str]
    block: tuple[int, int, int]
    shared_bytes: int


def read_launch(gpu_module: ir.Operation) -> Launch:
    """The launch of the one kernel of a `gpu.module`. Raises VerifyError where there is none or it does not say."""
    kernels = [op.operation for op in gpu_module.regions[0].blocks[0].operations if op.operation.name == "gpu.func"]
    if len(kernels) != 1 or any(name not in kernels[0].attributes for name in ("tw.grid", "tw.block")):
        raise VerifyError("a gpu.module holds one gpu.func with tw.grid and tw.block", remedy="make it by tw-lower-to-gpu")
    attributes = kernels[0].attributes
    x, y, z = (ir.StringAttr(a).value for a in ir.ArrayAttr(attributes["tw.grid"]))
    threads_x, threads_y, threads_z = ir.DenseI32ArrayAttr(attributes["tw.block"])
    count = ir.IntegerAttr(attributes["workgroup_attributions"]).value if "workgroup_attributions" in attributes else 0
    arguments = list(kernels[0].regions[0].blocks[0].arguments)
    shared = 0
    for buffer in arguments[len(arguments) - count :]:
        kind = ir.MemRefType(buffer.type)
        elements = 1
        for size in kind.shape:
            elements *= size
        shared += elements * BYTES[str(kind.element_type)]
    return Launch(ir.StringAttr(attributes["sym_name"]).value, (x, y, z), (threads_x, threads_y, threads_z), shared)
