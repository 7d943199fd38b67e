"""Ops with an order of their own, element by element: running sums and scatter.

A kernel that holds one is a single unit of work: its arrays are computed into memory first, then the rest reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, memref, scf
from tilewright.core.symbolic import Dim, Expr, ceildiv, to_expr
from tilewright.dialects import tw
from tilewright.lowering.loops import memory
from tilewright.lowering.loops.combine import combine, neutral
from tilewright.lowering.loops.element import SCALAR
from tilewright.lowering.loops.emitter import Emitter
from tilewright.lowering.loops.graph import Arrays, Graph, Node, Reshaped
from tilewright.lowering.loops.index_algebra import element_count, linearize
from tilewright.lowering.loops.memory import Buffer, bytes_view
from tilewright.lowering.loops.types import BYTES, from_memory, lane_type, to_memory
from tilewright.lowering.loops.vector_loop import State, plain_loop

Index = list[Expr]


def arrays_of(graph: Graph) -> list[Arrays]:
    """The nodes that have to be in memory as a whole, in program order."""
    return [n for n in graph.nodes if isinstance(n, Arrays)]


def bind_arrays(emitter: Emitter, scratch: ir.Value) -> Dim:
    """Memory for each array: the output it is, or scratch. Returns the bytes of scratch."""
    offset = to_expr(0)
    for node in arrays_of(emitter.graph):
        position = next((i for i, n in enumerate(emitter.graph.outputs) if _without_reshape(n) is node), None)
        if position is not None:
            emitter.arrays[node.number] = emitter.outputs[position]
            continue
        view = bytes_view(scratch, emitter.scopes.index(offset), node.dtype, emitter.scopes.lookup("hi"))
        emitter.arrays[node.number] = Buffer(view, node.dtype)
        offset = offset + to_expr(ceildiv(to_expr(element_count(node.shape)) * BYTES[node.dtype], 64)) * 64
    return offset


def _without_reshape(node: Node) -> Node:
    while isinstance(node, Reshaped):
        node = node.source
    return node


def emit_array(emitter: Emitter, node: Arrays) -> None:
    """Compute one array into its memory."""
    name = tw.short_name(node.op)
    emitter.slow_paths.append(f"tw.{name} runs in order, one element at a time, on one thread")
    if name == "scan":
        _scan(emitter, node)
    else:
        _scatter(emitter, node)


def _nest(emitter: Emitter, sizes: Sequence[Dim], state: State, body: Callable[[Index, State], State], index: Index | None = None) -> State:
    """Loops over all indices below `sizes`, outermost first, carrying `state`."""
    done = index or []
    if len(done) == len(sizes):
        return body(done, state)

    def step(at: Expr, inner: State) -> State:
        return _nest(emitter, sizes, inner, body, [*done, at])

    return plain_loop(emitter, emitter.scopes.current, 0, sizes[len(done)], 1, state, step, emitter.fresh("n"))


def _scan(emitter: Emitter, node: Arrays) -> None:
    (source,) = node.operands
    dim, kind = int(tw.get(node.op, "dim")), str(tw.get(node.op, "kind"))
    others = [d for i, d in enumerate(node.shape) if i != dim]
    buffer = emitter.arrays[node.number]

    def line(rest: Index, state: State) -> State:
        def step(at: Expr, running: State) -> State:
            index = [*rest[:dim], at, *rest[dim:]]
            total = combine(kind, running[0], emitter.value(source, index, SCALAR))
            memory.store(emitter, buffer, linearize(index, node.shape), total, SCALAR)
            return [total]

        start = neutral(kind, lane_type(node.dtype))
        plain_loop(emitter, emitter.scopes.current, 0, node.shape[dim], 1, [start], step, emitter.fresh("n"))
        return state

    _nest(emitter, others, [], line)


def _scatter(emitter: Emitter, node: Arrays) -> None:
    """Updates whose index is outside the tensor are left out."""
    target, updates, *indices = node.operands
    axes, kind = tuple(tw.get(node.op, "axes")), str(tw.get(node.op, "kind"))
    buffer = emitter.arrays[node.number]

    def copy(index: Index, state: State) -> State:
        memory.store(emitter, buffer, linearize(index, node.shape), emitter.value(target, index, SCALAR), SCALAR)
        return state

    _nest(emitter, node.shape, [], copy)
    selected = tw.broadcast_shapes([i.shape for i in indices]) or ()
    before, after = axes[0], axes[0] + len(selected)
    sizes = (*node.shape[:before], *selected, *node.shape[axes[-1] + 1 :])

    def update(index: Index, state: State) -> State:
        rows, inside = [], None
        for axis, source in zip(axes, indices):
            value = emitter.value(source, _broadcast(index[before:after], selected, source.shape), SCALAR)
            row = arith.IndexCastOp(ir.IndexType.get(), value).result
            # Compared without sign, a negative index is a large one.
            fits = arith.CmpIOp(arith.CmpIPredicate.ult, row, emitter.bound(node.shape[axis])).result
            inside = fits if inside is None else arith.AndIOp(inside, fits).result
            rows.append(emitter.data_index(row))
        address = linearize([*index[:before], *rows, *index[after:]], node.shape)
        value = emitter.value(updates, _broadcast(index, sizes, updates.shape), SCALAR)
        branch = scf.IfOp(inside)
        with emitter.scopes.enter(branch.then_block, {}, guarded=True):
            at = emitter.scopes.index(address)
            if kind == "add":
                old = from_memory(memref.LoadOp(buffer.view, [at]).result, buffer.dtype)
                value = combine("add", old, value)
            memref.StoreOp(to_memory(value, buffer.dtype, emitter.native_bf16), buffer.view, [at])
            scf.YieldOp([])
        return state

    _nest(emitter, sizes, [], update)


def _broadcast(index: Sequence[Expr], shape: Sequence[Dim], source: Sequence[Dim]) -> Index:
    """The index into a tensor of shape `source` that broadcasts to `shape`."""
    missing = len(shape) - len(source)
    return [to_expr(0) if size == 1 else index[i + missing] for i, size in enumerate(source)]
