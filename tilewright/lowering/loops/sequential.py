"""Ops with an order of their own: running sums and scatter.

A kernel that holds one is a single unit of work: its arrays are computed into memory first, then the rest reads them. A kernel that
is one running sum alone has its lines as units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, scf, vector
from tilewright.core.symbolic import Dim, Expr, ceildiv, product, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.lowering.loops import memory
from tilewright.lowering.loops.combine import combine, neutral
from tilewright.lowering.loops.element import SCALAR, Element
from tilewright.lowering.loops.emitter import Emitter
from tilewright.lowering.loops.graph import Arrays, Graph, Node, Reshaped
from tilewright.lowering.loops.index_algebra import delinearize, element_count, linearize
from tilewright.lowering.loops.memory import Buffer, bytes_view
from tilewright.lowering.loops.types import BYTES, broadcast, lane_type
from tilewright.lowering.loops.vector_loop import State, plain_loop, vector_loop

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


def lone_scan(graph: Graph) -> Arrays | None:
    """The running sum that is all a kernel stores, if there is one."""
    arrays = arrays_of(graph)
    if len(arrays) != 1 or tw.short_name(arrays[0].op) != "scan":
        return None
    return arrays[0] if [_without_reshape(n) for n in graph.outputs] == arrays else None


def emit_array(emitter: Emitter, node: Arrays) -> None:
    """Compute one array into its memory."""
    if tw.short_name(node.op) == "scan":
        emit_lines(emitter, node, to_expr(0), to_expr(line_count(node)))
    else:
        emitter.slow_paths.append("tw.scatter runs in order, on one thread")
        _scatter(emitter, node)


def _nest(emitter: Emitter, sizes: Sequence[Dim], body: Callable[[Index], None], index: Index | None = None) -> None:
    """Loops over all indices below `sizes`, outermost first."""
    done = index or []
    if len(done) == len(sizes):
        body(done)
        return

    def step(at: Expr, state: State) -> State:
        _nest(emitter, sizes, body, [*done, at])
        return state

    plain_loop(emitter, emitter.scopes.current, 0, sizes[len(done)], 1, [], step, emitter.fresh("n"))


def _along_last(emitter: Emitter, size: Dim, body: Callable[[Expr, Element], None], unroll: int = 4) -> None:
    """A loop over the last dimension, by vectors where there are any."""
    home = emitter.scopes.current
    if emitter.width == 1:

        def one(at: Expr, state: State) -> State:
            body(at, SCALAR)
            return state

        plain_loop(emitter, home, 0, size, 1, [], one, emitter.fresh("n"))
        return

    def step(at: Expr, element: Element, state: State) -> State:
        body(at, element)
        return state

    slots: list[State] = [[] for _ in range(unroll)]
    vector_loop(emitter, home, 0, size, unroll, slots, step)


def line_count(node: Arrays) -> Dim:
    """How many lines of a running sum can be computed on their own: all dimensions but the summed one, and but the last one, whose
    elements are the lanes where another one is summed."""
    return simplify_dim(to_expr(product(_line_sizes(node))))


def _line_sizes(node: Arrays) -> list[Dim]:
    dim, last = int(tw.get(node.op, "dim")), len(node.shape) - 1
    return [d for i, d in enumerate(node.shape) if i not in (dim, last)]


def emit_lines(emitter: Emitter, node: Arrays, low: Expr, high: Expr) -> None:
    """The lines `low` to `high` of a running sum."""
    dim, last = int(tw.get(node.op, "dim")), len(node.shape) - 1
    sizes = _line_sizes(node)

    def line(at: Expr, state: State) -> State:
        emitter.row_depth = emitter.scopes.current.depth
        rest = [emitter.space.simplify(e) for e in delinearize(at, sizes)]
        if dim == last:
            _scan_along_lanes(emitter, node, rest)
        else:
            _scan_across_lanes(emitter, node, rest, dim)
        return state

    plain_loop(emitter, emitter.scopes.current, low, high, 1, [], line, emitter.fresh("n"), size=line_count(node))


def _scan_along_lanes(emitter: Emitter, node: Arrays, rest: Index) -> None:
    """The sums of one vector by shuffles, in log2(lanes) steps, and the sum of all vectors before it."""
    (source,) = node.operands
    kind, size = str(tw.get(node.op, "kind")), node.shape[-1]
    buffer, home = emitter.arrays[node.number], emitter.scopes.current
    with emitter.scopes.at(home):
        start = neutral(kind, lane_type(node.dtype))

    def store(at: Expr, element: Element, value: ir.Value) -> None:
        memory.store(emitter, buffer, emitter.space.simplify(linearize([*rest, at], node.shape)), value, element)

    def one(at: Expr, state: State) -> State:
        total = combine(kind, state[0], emitter.value(source, [*rest, at], SCALAR))
        store(at, SCALAR, total)
        return [total]

    def vector_step(at: Expr, element: Element, state: State) -> State:
        sums = broadcast(emitter.value(source, [*rest, at], element), emitter.width)
        nothing = neutral(kind, sums.type)
        distance = 1
        while distance < emitter.width:
            lanes = [i if i < distance else emitter.width + i - distance for i in range(emitter.width)]
            moved = vector.ShuffleOp(nothing, sums, ir.DenseI64ArrayAttr.get(lanes)).result
            sums, distance = combine(kind, moved, sums), 2 * distance
        total = combine(kind, broadcast(state[0], emitter.width), sums)
        store(at, element, total)
        return [vector.ExtractOp(total, [], ir.DenseI64ArrayAttr.get([emitter.width - 1])).result]

    if emitter.width == 1:
        plain_loop(emitter, home, 0, size, 1, [start], one, emitter.fresh("n"))
    else:
        vector_loop(emitter, home, 0, size, 4, [[start]], vector_step)


def _scan_across_lanes(emitter: Emitter, node: Arrays, rest: Index, dim: int) -> None:
    """Every lane a sum of its own."""
    (source,) = node.operands
    kind = str(tw.get(node.op, "kind"))
    buffer = emitter.arrays[node.number]

    def column(lane: Expr, element: Element) -> None:
        scalar = lane_type(node.dtype)
        start = neutral(kind, ir.VectorType.get([emitter.width], scalar) if element.lane is not None else scalar)

        def step(at: Expr, state: State) -> State:
            index = [*rest[:dim], at, *rest[dim:], lane]
            value = emitter.value(source, index, element)
            total = combine(kind, state[0], broadcast(value, emitter.width) if element.lane is not None else value)
            memory.store(emitter, buffer, emitter.space.simplify(linearize(index, node.shape)), total, element)
            return [total]

        plain_loop(emitter, emitter.scopes.current, 0, node.shape[dim], 1, [start], step, emitter.fresh("n"))

    _along_last(emitter, node.shape[-1], column, unroll=1)


def _scatter(emitter: Emitter, node: Arrays) -> None:
    """Updates whose index is outside the tensor are left out."""
    target, updates, *indices = node.operands
    axes, kind = tuple(tw.get(node.op, "axes")), str(tw.get(node.op, "kind"))
    buffer = emitter.arrays[node.number]

    def copy(index: Index) -> None:
        def element_of_row(at: Expr, element: Element) -> None:
            value = emitter.value(target, [*index, at], element)
            memory.store(emitter, buffer, emitter.space.simplify(linearize([*index, at], node.shape)), value, element)

        _along_last(emitter, node.shape[-1], element_of_row)

    _nest(emitter, node.shape[:-1], copy)
    selected = tw.broadcast_shapes([i.shape for i in indices]) or ()
    before, after = axes[0], axes[0] + len(selected)
    sizes = (*node.shape[:before], *selected, *node.shape[axes[-1] + 1 :])
    by_rows = len(sizes) > after

    def update(index: Index) -> None:
        rows, inside = [], None
        for axis, source in zip(axes, indices):
            value = emitter.value(source, _broadcast(index[before:after], selected, source.shape), SCALAR)
            row = arith.IndexCastOp(ir.IndexType.get(), value).result
            # Compared without sign, a negative index is a large one.
            fits = arith.CmpIOp(arith.CmpIPredicate.ult, row, emitter.bound(node.shape[axis])).result
            inside = fits if inside is None else arith.AndIOp(inside, fits).result
            rows.append(emitter.data_index(row))

        def one(at: Index, element: Element) -> None:
            address = emitter.space.simplify(linearize([*at[:before], *rows, *at[after:]], node.shape))
            value = emitter.value(updates, _broadcast(at, sizes, updates.shape), element)
            if kind == "add":
                value = combine("add", memory.load(emitter, buffer, address, element), _like(emitter, value, element))
            memory.store(emitter, buffer, address, value, element)

        branch = scf.IfOp(inside)
        with emitter.scopes.enter(branch.then_block, {}, guarded=True):
            if by_rows:
                _along_last(emitter, sizes[-1], lambda at, element: one([*index, at], element))
            else:
                one(index, SCALAR)
            scf.YieldOp([])

    _nest(emitter, sizes[:-1] if by_rows else sizes, update)


def _like(emitter: Emitter, value: ir.Value, element: Element) -> ir.Value:
    return broadcast(value, emitter.width) if element.lane is not None else value


def _broadcast(index: Sequence[Expr], shape: Sequence[Dim], source: Sequence[Dim]) -> Index:
    """The index into a tensor of shape `source` that broadcasts to `shape`."""
    missing = len(shape) - len(source)
    return [to_expr(0) if size == 1 else index[i + missing] for i, size in enumerate(source)]
