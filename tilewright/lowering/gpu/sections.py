"""The code of one section of a kernel: outputs of equal shape, one element or row after the other over the threads of the grid."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tilewright.core.mlir import arith, gpu, ir, scf
from tilewright.core.symbolic import Dim, Expr, ceildiv, product, simplify_dim, symbol, to_expr
from tilewright.lowering.gpu import memory
from tilewright.lowering.gpu.emitter import DeviceEmitter, Row
from tilewright.lowering.gpu.thread_loop import Chunk, Values, chunk_width, first_of_chunk, for_each_chunk
from tilewright.lowering.loops.domain import Axis
from tilewright.lowering.loops.element import SCALAR, Element
from tilewright.lowering.loops.index_algebra import delinearize, linearize
from tilewright.lowering.loops.outputs import output_index
from tilewright.lowering.loops.plan import Section
from tilewright.lowering.loops.vector_loop import State, plain_loop
from tilewright.passes.schedules.gpu import ROWS, GpuSchedule


@dataclass(frozen=True)
class Layout:
    """How a section is laid over the grid: `dealt` are the loops whose steps go to groups of `group` threads, `inside` those that a group
    does itself. `width` neighbouring elements of the last dealt loop are one step."""

    section: Section
    dealt: tuple[Axis, ...]
    inside: tuple[Axis, ...]
    group: int
    width: int = 1

    @property
    def steps(self) -> Dim:
        """The number of groups of threads that are needed."""
        return simplify_dim(to_expr(product(a.size for a in self.dealt)).divide_exactly(self.width) or 1)

    def blocks(self, threads: int) -> Dim:
        """The number of blocks of `threads` threads that are needed."""
        return ceildiv(self.steps, threads // self.group)


def lay_out(emitter: DeviceEmitter, section: Section, schedule: GpuSchedule) -> Layout:
    """Rows go to groups of threads where the schedule says so and the section has reductions that a row shares; everything else goes to
    single threads: neighbouring elements to neighbouring threads, and where there are reductions, all of each to one thread."""
    axes = section.domain.axes
    row_loops = tuple(a for a in axes if a in section.inner or (a == section.lane and not section.lane_in_unit))
    units = tuple(a for a in axes if a not in row_loops)
    if not section.demands:
        width = chunk_width(emitter, axes) if axes else 1
        return Layout(section, axes, (), 1, width)
    if section.kind == "rows" and schedule.kind == ROWS:
        return Layout(section, units, row_loops, schedule.group)
    if section.lane_in_unit:
        units, row_loops = tuple(a for a in axes if a not in section.inner), tuple(section.inner)
    return Layout(section, units, row_loops, 1)


def emit_section(emitter: DeviceEmitter, layout: Layout, threads: int, alone: bool) -> None:
    """Emit one section. `alone`: the grid has exactly the blocks that this section needs."""
    scopes = emitter.scopes
    groups = threads // layout.group
    index = ir.IndexType.get()
    outermost = scopes.current
    thread = gpu.ThreadIdOp(gpu.Dimension.x, upper_bound=ir.IntegerAttr.get(index, threads)).result
    block = gpu.BlockIdOp(gpu.Dimension.x).result
    names = {"thread": emitter.fresh("t"), "block": emitter.fresh("b"), "step": emitter.fresh("s")}
    outermost.values |= {names["thread"]: thread, names["block"]: block}
    emitter.space.define(names["thread"], threads)
    within, number = symbol(names["thread"]), symbol(names["block"])
    if layout.group == 1:
        step = number * threads + within
    else:
        step = emitter.space.simplify(number * groups + within // layout.group)
        within = emitter.space.simplify(within % layout.group)
    emitter.space.define(names["step"], layout.steps)
    value = scopes.index(step)
    with ExitStack() as stack:
        count = to_expr(layout.steps)
        if alone and (groups == 1 or count.divide_exactly(groups) is not None):
            stack.enter_context(scopes.enter_inline(outermost, {names["step"]: value}))
        else:
            exists = arith.CmpIOp(arith.CmpIPredicate.ult, value, scopes.index(count)).result
            branch = scf.IfOp(exists)
            stack.enter_context(scopes.before(outermost, branch.operation))
            stack.enter_context(scopes.enter(branch.then_block, {names["step"]: value}))
            stack.callback(lambda: scf.YieldOp([]))
        _emit_step(emitter, layout, symbol(names["step"]), within)
    emitter.row = None


def _emit_step(emitter: DeviceEmitter, layout: Layout, step: Expr, within: Expr) -> None:
    scope = emitter.scopes.current
    row = emitter.row = Row(scope, layout.group)
    first = _dealt_values(emitter, layout, step)
    for axis in layout.dealt:
        # Under their own names, the loops of the section stand for the values of this step.
        expression = to_expr(first[axis.name])
        scope.values[axis.name] = emitter.scopes.index(expression)
        emitter.space.define(axis.name, axis.size)
    if layout.group == 1:
        _serial(emitter, layout, first, list(layout.inside))
        return
    row.thread = emitter.fresh("t")
    scope.values[row.thread] = emitter.scopes.index(within)
    emitter.space.define(row.thread, layout.group)
    row.uniform = frozenset(emitter.graph.symbol_names) | {a.name for a in layout.dealt}
    values: Values = {a.name: a.index for a in layout.dealt}
    # Reductions that the row shares come first: later, some threads may not take part.
    for demand in sorted(layout.section.demands, key=lambda d: d.node.number):
        if all(e.symbols() <= row.uniform for e in demand.index):
            emitter.value(demand.node, demand.index, SCALAR)
    if layout.inside:

        def store_chunk(at: Values, chunk: Chunk, state: State) -> State:
            _store_outputs(emitter, layout.section, {**values, **at}, layout.inside[-1], chunk.width, chunk.valid)
            return state

        for_each_chunk(emitter, row, layout.inside, [], store_chunk)
    else:
        stores = arith.CmpIOp(arith.CmpIPredicate.eq, emitter.scopes.lookup(row.thread), emitter.scopes.index(0)).result
        _store_outputs(emitter, layout.section, values, None, 1, stores)


def _dealt_values(emitter: DeviceEmitter, layout: Layout, step: Expr) -> Values:
    """The indices of the dealt loops at a step: those of its first element."""
    if not layout.dealt:
        return {}
    *outer, last = layout.dealt
    chunks = to_expr(last.size).divide_exactly(layout.width)
    assert chunks is not None
    indices = [emitter.space.simplify(e) for e in delinearize(step, [*(a.size for a in outer), simplify_dim(chunks)])]
    indices[-1] = first_of_chunk(emitter, indices[-1], last.size, layout.width)
    return {axis.name: index for axis, index in zip(layout.dealt, indices)}


def _serial(emitter: DeviceEmitter, layout: Layout, values: Values, inside: list[Axis]) -> None:
    """One thread by itself: loops over what is inside, then the elements."""
    if not inside:
        last = layout.dealt[-1] if layout.dealt else None
        _store_outputs(emitter, layout.section, values, last, layout.width, None)
        return

    def body(at: Expr, state: State) -> State:
        _serial(emitter, layout, {**values, inside[0].name: at}, inside[1:])
        return state

    plain_loop(emitter, emitter.scopes.current, 0, inside[0].size, 1, [], body, emitter.fresh("n"))


def _store_outputs(
    emitter: DeviceEmitter, section: Section, values: Values, last: Axis | None, width: int, condition: ir.Value | None
) -> None:
    """`width` neighbouring elements along the loop `last` of every output; `condition`: whether this thread stores them."""
    stores: list[tuple[int, list[Expr], list[ir.Value]]] = []
    for position, node in section.outputs:
        addresses, results = [], []
        for offset in range(width):
            at: Values = values if last is None else {**values, last.name: values[last.name] + offset}
            index = [emitter.space.simplify(e.substitute(at)) for e in output_index(section, node)]
            results.append(emitter.value(node, index, Element(None, offset, condition)))
            addresses.append(emitter.space.simplify(linearize(index, node.shape)))
        stores.append((position, addresses, results))

    def store() -> None:
        for position, addresses, results in stores:
            memory.store(emitter, emitter.outputs[position], addresses, results)

    _under(emitter, condition, store)


def _under(emitter: DeviceEmitter, condition: ir.Value | None, emit: Callable[[], None]) -> None:
    if condition is None:
        emit()
        return
    scopes = emitter.scopes
    home = scopes.current
    branch = scf.IfOp(condition)
    with scopes.before(home, branch.operation), scopes.enter(branch.then_block, {}):
        emit()
        scf.YieldOp([])
