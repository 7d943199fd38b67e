"""A kernel of linalg stages to its level 3 function: the ABI around the sections."""

from __future__ import annotations

from tilewright.core.mlir import func, ir
from tilewright.core.symbolic import Dim, Expr, call, simplify_dim, symbol, to_expr
from tilewright.lowering.loops import ahead, rows, streaming
from tilewright.lowering.loops.emitter import Emitter, RowBuffer, constant_buffer
from tilewright.lowering.loops.graph import Arrays, Constant, Graph, read_kernel
from tilewright.lowering.loops.index_algebra import IndexSpace, linearize
from tilewright.lowering.loops.interleave import interleave
from tilewright.lowering.loops.memory import Buffer, bytes_view, flat_view
from tilewright.lowering.loops.outputs import output_index
from tilewright.lowering.loops.plan import Knobs, Plan, Section, make_plan, trace_section
from tilewright.lowering.loops.row_buffers import choose_stored, scratch_bytes
from tilewright.lowering.loops.scopes import Scopes
from tilewright.lowering.loops.sequential import arrays_of, bind_arrays, emit_array, emit_lines, line_count, lone_scan
from tilewright.lowering.loops.types import storage_type
from tilewright.lowering.loops.vector_loop import plain_loop
from tilewright.targets import Target

EXPENSIVE_BODY = 40
"""Cost of one vector of a row from which two vectors a step are enough to fill the machine."""


def emit_loops(function: ir.OpView, target: Target, knobs: Knobs, fast_math: bool = False) -> ir.OpView:
    """Replace a kernel function of linalg ops on tensors by its level 3 function of the same name; returns that.

    Raises UnsupportedError for what has no loops. Attributes set: `tw.trip_count`, `tw.scratch` and, where a part of the kernel runs one
    element at a time, `tw.slow_path` with the reason.
    """
    graph = read_kernel(function)
    in_order = arrays_of(graph)
    width = 1 if knobs.kind == "scalar" else target.vector_lanes(32)
    plan = make_plan(graph, width, knobs)
    with function.location, ir.InsertionPoint(function):
        level3 = _declare(graph)
        block = level3.add_entry_block()
    arguments = list(block.arguments)
    inputs, outputs = len(graph.arguments), len(graph.outputs)
    scratch = arguments[inputs + outputs]
    scopes = Scopes(block)
    values = dict(zip([*graph.symbol_names, "lo", "hi"], arguments[inputs + outputs + 1 :]))
    scopes.current.values.update(values)
    with function.location, ir.InsertionPoint(block):
        emitter = Emitter(graph, plan, target, width, fast_math, scopes, IndexSpace(graph.size_ranges), {}, [])
        _bind_buffers(emitter, arguments[:inputs], arguments[inputs : inputs + outputs], function)
        alone = lone_scan(graph)
        if alone is not None:
            scratch_size, total = bind_arrays(emitter, scratch), line_count(alone)
            emit_lines(emitter, alone, symbol("lo"), symbol("hi"))
        elif in_order:
            scratch_size, total = _emit_in_order(emitter, plan, scratch, knobs), 1
        else:
            scratch_size, total = _emit_sections(emitter, plan, scratch, knobs), _trip_count(plan, width)
        func.ReturnOp([])
    interleave(block)
    if knobs.kind == "scalar":
        emitter.slow_paths.append("the schedule asks for one element at a time")
    attributes = level3.operation.attributes
    attributes["tw.trip_count"] = ir.StringAttr.get(str(total))
    attributes["tw.scratch"] = ir.StringAttr.get(str(scratch_size))
    if emitter.slow_paths:
        attributes["tw.slow_path"] = ir.StringAttr.get("; ".join(dict.fromkeys(emitter.slow_paths)))
    function.operation.erase()
    return level3


def _declare(graph: Graph) -> func.FuncOp:
    """The function with pointer arguments that do not alias."""
    tensors = [n.dtype for n in (*graph.arguments, *graph.outputs)]
    pointers = [ir.MemRefType.get([], storage_type(d)) for d in tensors]
    index = ir.IndexType.get()
    scratch = ir.MemRefType.get([], ir.IntegerType.get_signless(8))
    numbers = [index] * (len(graph.symbol_names) + 2)
    level3 = func.FuncOp(graph.name, ir.FunctionType.get([*pointers, scratch, *numbers], []))
    no_alias = ir.DictAttr.get({"llvm.noalias": ir.UnitAttr.get()})
    level3.arg_attrs = [no_alias] * (len(pointers) + 1) + [ir.DictAttr.get({})] * len(numbers)
    for name in ("tw.symbols", "tw.schedule"):
        if name in graph.function.operation.attributes:
            level3.operation.attributes[name] = graph.function.operation.attributes[name]
    return level3


def _bind_buffers(emitter: Emitter, inputs: list[ir.Value], outputs: list[ir.Value], function: ir.OpView) -> None:
    graph = emitter.graph
    extent = emitter.scopes.lookup("hi")
    for node, pointer in zip(graph.arguments, inputs):
        emitter.buffers[node.number] = Buffer(flat_view(pointer, node.dtype, extent), node.dtype)
    for node, pointer in zip(graph.outputs, outputs):
        emitter.outputs.append(Buffer(flat_view(pointer, node.dtype, extent), node.dtype))
    for node in graph.nodes:
        if isinstance(node, Constant) and not node.elements.is_splat:
            emitter.buffers[node.number] = constant_buffer(node, function.operation.block, f"{graph.name}_constant{node.number}")


def _trip_count(plan: Plan, width: int) -> Dim:
    return simplify_dim(sum((to_expr(rows.unit_count(s, width)) for s in plan.sections), to_expr(0)))


def _emit_sections(emitter: Emitter, plan: Plan, scratch: ir.Value, knobs: Knobs) -> Dim:
    """All sections one after the other; each takes its part of the range of units. Returns the bytes of scratch."""
    first: Expr = to_expr(0)
    needed: list[Expr] = []
    flags: list[ir.Value] = []
    for section in plan.sections:
        units = to_expr(rows.unit_count(section, emitter.width))
        low, high = symbol("lo"), symbol("hi")
        if len(plan.sections) > 1:
            low = to_expr(call("max", low - first, 0))
            high = to_expr(call("max", call("min", high - first, units), 0))
        needed.append(_bind_rows(emitter, plan, section, scratch))
        emitter.large = streaming.emit_flag(emitter, section) if streaming.may_stream(emitter, section) else None
        flags += [emitter.large] if emitter.large is not None else []
        # The loads of a row in registers are few enough to overtake the work on the row before it.
        in_registers = section.lane is not None and rows.fits_registers(emitter, section.lane)
        emitter.next_row = None if in_registers else ahead.plan_next_row(emitter, section)
        rows.emit_section(emitter, section, low, high, _unroll(emitter, section, knobs))
        first = first + units
    for flag in flags:
        streaming.emit_fence(flag)
    total: Dim = 0
    for size in needed:
        total = call("max", total, size) if total != 0 and size != 0 else simplify_dim(to_expr(total) + size)
    return total


def _emit_in_order(emitter: Emitter, plan: Plan, scratch: ir.Value, knobs: Knobs) -> Dim:
    """One unit that computes everything: the arrays, then all units of all sections."""
    size = bind_arrays(emitter, scratch)

    def once(_: Expr, state: list[ir.Value]) -> list[ir.Value]:
        emitter.row_depth = emitter.scopes.current.depth
        for node in arrays_of(emitter.graph):
            emit_array(emitter, node)
        for section in plan.sections:
            if not all(isinstance(node, Arrays) for _, node in section.outputs):
                units = to_expr(rows.unit_count(section, emitter.width))
                rows.emit_section(emitter, section, to_expr(0), units, 1)
        return state

    plain_loop(emitter, emitter.scopes.current, symbol("lo"), symbol("hi"), 1, [], once, emitter.fresh("once"), size=1)
    return size


def _bind_rows(emitter: Emitter, plan: Plan, section: Section, scratch: ir.Value) -> Expr:
    """Memory for the intermediate rows of a section; returns the bytes of scratch they take."""
    emitter.row_buffers = {}
    offset = to_expr(0)
    if emitter.width == 1:
        return offset
    trace = trace_section(emitter.graph, section, plan.reductions)
    keep_in_registers = section.lane is not None and not section.lane_in_unit and rows.fits_registers(emitter, section.lane)
    stored = [] if keep_in_registers else choose_stored(emitter.graph, plan, section, trace, not streaming.may_stream(emitter, section))
    scratch_rows = dict((e.node.number, size) for e, size in scratch_bytes(section, stored))
    for entry in stored:
        if entry.output is not None:
            node = dict(section.outputs)[entry.output]
            buffer = emitter.outputs[entry.output]
            address = linearize(output_index(section, node), node.shape)
        elif section.lane is not None and not section.lane_in_unit:
            dtype = "f32" if entry.node.dtype in ("f16", "bf16") else entry.node.dtype
            buffer = Buffer(bytes_view(scratch, emitter.scopes.index(offset), dtype, emitter.scopes.lookup("hi")), dtype)
            address = section.lane.index
            offset = offset + scratch_rows[entry.node.number]
        else:
            continue
        emitter.row_buffers[entry.node.number] = RowBuffer(entry.node, buffer, address, entry.axis_positions, entry.filled_by)
    return offset


def _unroll(emitter: Emitter, section: Section, knobs: Knobs) -> int:
    """Vectors in one step of the main loop of the outputs."""
    if knobs.unroll:
        return knobs.unroll
    trace = trace_section(emitter.graph, section, emitter.plan.reductions)
    return 2 if trace.cost.get(None, 0) > EXPENSIVE_BODY else 4
