"""A symbolic run of a kernel: which elements are loaded and which reductions are needed for an element of a node.

No IR is built. The loop plan is made from what the trace finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Expr, symbol, to_expr
from tilewright.lowering.loops.domain import Domain, reduction_domain
from tilewright.lowering.loops.graph import (
    Argmax,
    Argument,
    Constant,
    Filled,
    Graph,
    Mapped,
    Node,
    Reduced,
    Reshaped,
    Sliced,
    Stage,
    affine_to_index,
    combine_indices,
)
from tilewright.lowering.loops.index_algebra import IndexSpace, linearize, reshape_index
from tilewright.lowering.math.expand import COSTS

Symbols = frozenset[str]
Loop = Node | None
"""The reduction whose loop an access stands in; None for the loop over the output."""


@dataclass(frozen=True)
class Access:
    """A load of `node` at row-major `address`."""

    node: Node
    address: Expr
    loop: Loop


@dataclass(frozen=True)
class Demand:
    """A reduction (or a node kept in memory) that is needed at `index`."""

    node: Node
    index: tuple[Expr, ...]
    loop: Loop


@dataclass(frozen=True)
class Comparison:
    """A comparison of `difference` with 0. Its truth changes between -1 and 0, or, when `inclusive` (<= and >), between 0 and 1."""

    difference: Expr
    inclusive: bool
    loop: Loop


_INCLUSIVE = (3, 4, 7, 8)
"""Predicates of `arith.cmpi`: sle, sgt, ule, ugt."""


@dataclass
class Trace:
    """What evaluating some elements touches. `opaque` are index values that come from data, with the loop indices they depend on."""

    accesses: list[Access] = field(default_factory=list)
    demands: list[Demand] = field(default_factory=list)
    visits: list[Demand] = field(default_factory=list)
    conditions: list[Comparison] = field(default_factory=list)
    opaque: dict[str, Symbols] = field(default_factory=dict)
    cost: dict[Loop, int] = field(default_factory=dict)

    def symbols(self, expression: Expr) -> Symbols:
        """Loop indices that an expression depends on, also through data."""
        names: set[str] = set()
        for name in expression.symbols():
            names |= self.opaque.get(name, {name})
        return frozenset(names)


class Tracer:
    """Runs nodes symbolically. One tracer makes one trace; equal requests are traced once."""

    def __init__(self, graph: Graph, space: IndexSpace, domains: Mapping[int, Domain]) -> None:
        """`domains`: loops of reductions that differ from the plain ones, by node number."""
        self.graph = graph
        self.space = space
        self.domains = domains
        self.trace = Trace()
        self._seen: dict[tuple[int, tuple[str, ...], int], Symbols] = {}

    def value(self, node: Node, index: Sequence[Expr], loop: Loop = None) -> Symbols:
        """Trace `node[index]`; returns the loop indices that its value depends on."""
        index = tuple(self.space.simplify(e) for e in index)
        key = (node.number, tuple(map(str, index)), -1 if loop is None else loop.number)
        if key not in self._seen:
            self._seen[key] = self._value(node, index, loop)
        return self._seen[key]

    def _value(self, node: Node, index: tuple[Expr, ...], loop: Loop) -> Symbols:
        match node:
            case Argument() | Constant():
                address = self.space.simplify(linearize(index, node.shape))
                self.trace.accesses.append(Access(node, address, loop))
                return self.trace.symbols(address)
            case Filled():
                return frozenset()
            case Reshaped(source=source):
                return self.value(source, reshape_index(self.space, index, node.shape, source.shape), loop)
            case Sliced(source=source, starts=starts, steps=steps):
                return self.value(source, [to_expr(a) + i * s for a, i, s in zip(starts, index, steps)], loop)
            case Mapped(stage=stage):
                self.trace.visits.append(Demand(node, index, loop))
                return self._stage(stage, node.iteration(index), loop)
            case Reduced(stage=stage):
                self.trace.demands.append(Demand(node, index, loop))
                self._reduction(node, index)
            case Argmax(source=source):
                self.trace.demands.append(Demand(node, index, loop))
                at = self.space.define(f"a{node.number}", source.shape[node.dim])
                self.value(source, node.source_index(index, at), node)
            case _:
                self.trace.demands.append(Demand(node, index, loop))
        return frozenset().union(*(self.trace.symbols(e) for e in index)) if index else frozenset()

    def _reduction(self, node: Reduced, index: tuple[Expr, ...]) -> None:
        domain = self.domains.get(node.number) or reduction_domain(node)
        for axis in domain.axes:
            self.space.define(axis.name, axis.size)
        iteration: list[Expr] = [to_expr(0)] * len(node.stage.sizes)
        for position, dim in enumerate(node.dims):
            iteration[dim] = index[position]
        for dim, expression in zip(node.stage.reduced, domain.index):
            iteration[dim] = expression
        self._stage(node.stage, iteration, node)

    def _stage(self, stage: Stage, iteration: Sequence[Expr], loop: Loop) -> Symbols:
        values: dict[ir.Value, Expr | Symbols] = {}
        for argument, (node, indexing) in zip(stage.block.arguments, stage.inputs):
            if not list(argument.uses):
                continue
            values[argument] = self.value(node, [affine_to_index(r, iteration) for r in indexing.results], loop)
        return self._block(stage.block, values, iteration, loop)

    def _block(self, block: ir.Block, values: dict[ir.Value, Expr | Symbols], iteration: Sequence[Expr], loop: Loop) -> Symbols:
        cost = 0
        for view in block.operations:
            op = view.operation
            cost += COSTS.get(op.name, 1)
            if op.name in ("linalg.yield", "scf.yield"):
                self.trace.cost[loop] = self.trace.cost.get(loop, 0) + cost
                return frozenset().union(*(self._symbols(values, v) for v in op.operands))
            if op.name == "linalg.index":
                values[op.results[0]] = iteration[ir.IntegerAttr(op.attributes["dim"]).value]
            elif op.name == "arith.constant" and isinstance(op.results[0].type, ir.IndexType):
                values[op.results[0]] = to_expr(ir.IntegerAttr(op.attributes["value"]).value)
            elif op.name == "tensor.extract":
                index = [self._index(values, v) for v in list(op.operands)[1:]]
                values[op.results[0]] = self.value(self.graph.by_value[op.operands[0]], index, loop)
            elif op.name == "scf.if":
                values[op.results[0]] = self._conditional(op, values, iteration, loop)
            else:
                self._scalar(op, values, loop)
        return frozenset()

    def _conditional(self, op: ir.Operation, values: dict[ir.Value, Expr | Symbols], iteration: Sequence[Expr], loop: Loop) -> Symbols:
        names = self._symbols(values, op.operands[0])
        for region in op.regions:
            names |= self._block(region.blocks[0], values, iteration, loop)
        return names

    def _scalar(self, op: ir.Operation, values: dict[ir.Value, Expr | Symbols], loop: Loop) -> None:
        operands = [values.get(v, self.graph.sizes.get(v)) for v in op.operands]
        expressions = [v if isinstance(v, Expr) else None for v in operands]
        if op.name == "arith.cmpi" and expressions[0] is not None and expressions[1] is not None:
            inclusive = ir.IntegerAttr(op.attributes["predicate"]).value in _INCLUSIVE
            self.trace.conditions.append(Comparison(expressions[0] - expressions[1], inclusive, loop))
        combined = combine_indices(op.name, expressions)
        if combined is not None:
            values[op.results[0]] = self.space.simplify(combined)
            return
        names: Symbols = frozenset().union(*(self._symbols(values, v) for v in op.operands))
        for result in op.results:
            values[result] = names

    def _symbols(self, values: dict[ir.Value, Expr | Symbols], value: ir.Value) -> Symbols:
        known = values.get(value)
        if isinstance(known, Expr):
            return self.trace.symbols(known)
        return known or frozenset()

    def _index(self, values: dict[ir.Value, Expr | Symbols], value: ir.Value) -> Expr:
        known = values.get(value, self.graph.sizes.get(value))
        if isinstance(known, Expr):
            return known
        name = f"v{len(self.trace.opaque)}"
        self.trace.opaque[name] = known or frozenset()
        return symbol(name)
