"""A kernel of linalg stages to its `gpu.func`: the ABI, the index width and the launch bounds around the sections."""

from __future__ import annotations

from typing import Any

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, gpu, ir, llvm
from tilewright.core.symbolic import Dim, call, to_expr
from tilewright.dialects.tw.ops.constants import elements_to_array
from tilewright.lowering.gpu.emitter import DeviceEmitter
from tilewright.lowering.gpu.memory import GLOBAL, POINTER_ALIGNMENT, global_pointer
from tilewright.lowering.gpu.sections import emit_section, lay_out
from tilewright.lowering.gpu.shared_memory import SharedMemory
from tilewright.lowering.loops.graph import Arrays, Constant, Graph, read_kernel
from tilewright.lowering.loops.index_algebra import IndexSpace, linear_coefficient
from tilewright.lowering.loops.memory import Buffer
from tilewright.lowering.loops.plan import Knobs, Section, make_plan, trace_section
from tilewright.lowering.loops.scopes import Scopes
from tilewright.lowering.loops.types import BYTES, storage_type
from tilewright.passes.schedules.gpu import GpuSchedule
from tilewright.targets import Target

NARROW_LIMIT = 2**31 - 2**21
"""Elements up to which indices are 32 bits wide; the rest is room for the last block's threads that have nothing to do."""


def emit_device_kernel(function: ir.OpView, target: Target, schedule: GpuSchedule, fast_math: bool = False) -> gpu.GPUModuleOp:
    """Replace a kernel function of linalg ops on tensors by a `gpu.module` of the same name that holds the kernel; returns that.

    Raises UnsupportedError for what has no code on a GPU.
    """
    graph = read_kernel(function)
    for node in graph.nodes:
        if isinstance(node, Arrays):
            raise UnsupportedError(f"{node.op.name} has no lowering for {target.name}", where=node.where)
    plan = make_plan(graph, 1, Knobs())
    with function.location, ir.InsertionPoint(function):
        module = gpu.GPUModuleOp(graph.name)
    body = module.bodyRegion.blocks[0] if len(module.bodyRegion.blocks) else module.bodyRegion.blocks.append()
    module.operation.attributes["dlti.dl_spec"] = ir.Attribute.parse(f"#dlti.dl_spec<index = {_index_bits(graph)} : i32>")
    with function.location, ir.InsertionPoint(body):
        kernel = _declare(graph, schedule)
    block = kernel.add_entry_block()
    with function.location, ir.InsertionPoint(block):
        scopes = Scopes(block)
        emitter = DeviceEmitter(graph, plan, target, 1, fast_math, scopes, IndexSpace(graph.size_ranges), {}, [])
        emitter.warp = target.gpu.warp_size if target.gpu is not None else 32
        emitter.shared = SharedMemory(block)
        _bind_arguments(emitter, block, body)
        blocks: Dim = 0
        for section in plan.sections:
            emitter.vector = _vector(graph, section, emitter, schedule)
            layout = lay_out(emitter, section, schedule)
            emit_section(emitter, layout, schedule.block, alone=len(plan.sections) == 1)
            own = layout.blocks(schedule.block)
            blocks = own if blocks == 0 else call("max", blocks, own)
        gpu.ReturnOp([])
    attributes = kernel.operation.attributes
    attributes["tw.grid"] = ir.ArrayAttr.get([ir.StringAttr.get(str(d)) for d in (blocks, 1, 1)])
    attributes["tw.block"] = ir.DenseI32ArrayAttr.get([schedule.block, 1, 1])
    if emitter.shared.buffers:
        attributes["workgroup_attributions"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), len(emitter.shared.buffers))
    module.operation.parent.attributes["gpu.container_module"] = ir.UnitAttr.get()
    function.operation.erase()
    return module


def _declare(graph: Graph, schedule: GpuSchedule) -> gpu.GPUFuncOp:
    pointers = [global_pointer()] * (len(graph.arguments) + len(graph.outputs))
    symbols = [ir.IntegerType.get_signless(64)] * len(graph.symbol_names)
    common = {"llvm.noalias": ir.UnitAttr.get(), "llvm.align": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), POINTER_ALIGNMENT)}
    inputs = [{**common, "llvm.readonly": ir.UnitAttr.get()}] * len(graph.arguments)
    outputs = [{**common, "llvm.writeonly": ir.UnitAttr.get()}] * len(graph.outputs)
    numbers: list[dict[str, ir.Attribute]] = [{}] * len(symbols)
    return gpu.GPUFuncOp(
        ir.FunctionType.get([*pointers, *symbols], []),
        graph.name,
        arg_attrs=[*inputs, *outputs, *numbers],
        kernel=True,
        known_block_size=[schedule.block, 1, 1],
    )


def _bind_arguments(emitter: DeviceEmitter, block: ir.Block, module: ir.Block) -> None:
    graph = emitter.graph
    arguments = list(block.arguments)
    inputs, outputs = len(graph.arguments), len(graph.outputs)
    for node, pointer in zip(graph.arguments, arguments[:inputs]):
        emitter.buffers[node.number] = Buffer(pointer, node.dtype)
    for node, pointer in zip(graph.outputs, arguments[inputs : inputs + outputs]):
        emitter.outputs.append(Buffer(pointer, node.dtype))
    for name, value in zip(graph.symbol_names, arguments[inputs + outputs :]):
        emitter.scopes.current.values[name] = arith.IndexCastOp(ir.IndexType.get(), value).result
    for node in graph.nodes:
        if isinstance(node, Constant) and not node.elements.is_splat:
            emitter.buffers[node.number] = _global_constant(node, module, f"{graph.name}_constant{node.number}")


def _global_constant(node: Constant, module: ir.Block, name: str) -> Buffer:
    """A dense constant in global memory, initialized when the module is loaded."""
    array = elements_to_array(node.elements).reshape(-1)
    stored = array.astype("int8") if node.dtype == "i1" else array
    element = storage_type(node.dtype)
    raw = stored.view("uint16") if node.dtype == "bf16" else stored
    elements: Any = raw  # The type stubs know no arrays.
    value = ir.DenseElementsAttr.get(elements, type=ir.RankedTensorType.get([stored.size], element))
    array_type = ir.Type.parse(f"!llvm.array<{stored.size} x {element}>")
    with ir.InsertionPoint.at_block_begin(module):
        llvm.GlobalOp(
            ir.TypeAttr.get(array_type),
            name,
            ir.Attribute.parse("#llvm.linkage<internal>"),
            constant=True,
            value=value,
            addr_space=GLOBAL,
            alignment=POINTER_ALIGNMENT,
        )
    return Buffer(llvm.AddressOfOp(global_pointer(), name).result, node.dtype)


def _index_bits(graph: Graph) -> int:
    """Index arithmetic in 32 bits is several times as fast as in 64; it fits where no tensor has 2^31 elements."""
    most = max((to_expr(node.info.elements).bounds(graph.size_ranges)[1] for node in graph.nodes), default=0)
    return 32 if most <= NARROW_LIMIT else 64


def _vector(graph: Graph, section: Section, emitter: DeviceEmitter, schedule: GpuSchedule) -> int:
    """Elements of one access: as many of the widest type that is read or written along the rows as 16 bytes hold. Threads that reduce
    alone take one element each, so that neighbouring threads read neighbouring elements."""
    if section.demands and (section.kind != "rows" or schedule.group == 1):
        return 1
    reductions = emitter.plan.reductions
    along = [domain.axes[-1].name for domain in (section.domain, *reductions.values()) if domain.axes]
    trace = trace_section(graph, section, reductions)
    read = {a.node.dtype for a in trace.accesses for name in along if linear_coefficient(a.address, name) == 1}
    widest = max(BYTES[dtype] for dtype in read | {node.dtype for _, node in section.outputs})
    return max(1, min(schedule.vector, POINTER_ALIGNMENT // widest))
