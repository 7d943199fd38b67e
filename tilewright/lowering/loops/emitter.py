"""The demand-driven evaluator: the value of any node at any index, emitted where it belongs, once.

`Emitter.value(node, index, element)` emits code for `node[index]`. Pointwise stages are inlined into their consumers, movement becomes
address arithmetic, reductions become loops in the outermost scope that knows their index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, ir, memref
from tilewright.core.symbolic import Dim, Expr, parse, symbol, to_expr
from tilewright.dialects.tw.ops.constants import elements_to_array
from tilewright.dialects.tw.types import element_type, tensor_info
from tilewright.lowering.loops import ahead, argmax, memory, reductions, region, transpose
from tilewright.lowering.loops.element import Element, Lane
from tilewright.lowering.loops.graph import (
    Argmax,
    Argument,
    Arrays,
    Constant,
    Filled,
    Graph,
    Mapped,
    Node,
    Reduced,
    Reshaped,
    Sliced,
)
from tilewright.lowering.loops.index_algebra import IndexSpace, linear_coefficient, linearize, reshape_index
from tilewright.lowering.loops.memory import Buffer
from tilewright.lowering.loops.plan import Plan
from tilewright.lowering.loops.scopes import Scope, Scopes
from tilewright.lowering.loops.types import broadcast, constant, is_vector, lane_type, storage_type, widen, zero
from tilewright.lowering.math import sums_with_erf
from tilewright.targets import Target


@dataclass
class RowBuffer:
    """A node that several loops of a row need: stored by the first, loaded by the others.

    `axis_positions` tells which dimension of the node is which loop of the section, to turn an index of the node into the address.
    """

    node: Mapped
    buffer: Buffer
    address: Expr
    axis_positions: dict[str, int]
    filled_by: Node
    ready: bool = False

    def address_of(self, index: Sequence[Expr]) -> Expr:
        return self.address.substitute({name: index[position] for name, position in self.axis_positions.items()})


@dataclass(eq=False)
class Emitter:
    """State of one kernel under emission.

    `large`: a flag whether results bypass the caches, where that is decided when the kernel runs; `past_caches`: they do, in the code
    that is being emitted (`streaming`).
    """

    graph: Graph
    plan: Plan
    target: Target
    width: int
    fast_math: bool
    scopes: Scopes
    space: IndexSpace
    buffers: dict[int, Buffer]
    outputs: list[Buffer]
    row_buffers: dict[int, RowBuffer] = field(default_factory=dict)
    arrays: dict[int, Buffer] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    lane_data: dict[str, ir.Value] = field(default_factory=dict)
    register_lane: Lane | None = None
    filling: Node | None = None
    row_depth: int = 0
    large: ir.Value | None = None
    past_caches: bool = False
    next_row: ahead.NextRow | None = None
    slow_paths: list[str] = field(default_factory=list)
    _sums_with_erf: dict[ir.Block, dict[ir.Operation, ir.Operation]] = field(default_factory=dict)
    _names: int = 0
    _guards: int = 0

    @property
    def native_bf16(self) -> bool:
        """Whether rounding to bf16 is an instruction."""
        return self.target.has("avx512bf16") or self.target.has("bf16")

    def fresh(self, prefix: str) -> str:
        """A new loop index name."""
        self._names += 1
        return f"{prefix}{self._names}"

    def fresh_guard(self) -> int:
        """A new number for a condition."""
        self._guards += 1
        return self._guards

    def has_lanes(self, expression: Expr) -> bool:
        """Whether an index expression differs from lane to lane."""
        return any(n in self.lanes or n in self.lane_data for n in expression.symbols())

    def has_lane_data(self, expression: Expr) -> bool:
        """Whether it contains an index that was loaded lane by lane."""
        return any(n in self.lane_data for n in expression.symbols())

    def home(self, names: frozenset[str] | set[str]) -> Scope:
        """The outermost scope that knows these loop indices, but not outside the row: outside, the memory that a row reads may not be
        filled yet, and nothing is known to exist."""
        found = self.scopes.home(names)
        return found if found.depth >= self.row_depth else self.scopes.stack[self.row_depth]

    def value(self, node: Node, index: Sequence[Expr], element: Element) -> ir.Value:
        """The value of `node[index]`: lanes where the index depends on the lane, a scalar otherwise."""
        index = tuple(self.space.simplify(e) for e in index)
        match node:
            case Argument() | Constant():
                return self._load_leaf(node, index, element)
            case Filled(scalar=scalar):
                return self.outer_scalar(scalar)
            case Reshaped(source=source):
                return self.value(source, reshape_index(self.space, index, node.shape, source.shape), element)
            case Sliced(source=source, starts=starts, steps=steps):
                return self.value(source, [to_expr(a) + i * s for a, i, s in zip(starts, index, steps)], element)
            case Mapped() | Reduced() | Argmax():
                return self._computed(node, index, element)
            case Arrays():
                address = self.space.simplify(linearize(index, node.shape))
                return memory.load(self, self.arrays[node.number], address, element)
            case _:
                raise UnsupportedError(f"no code for {type(node).__name__}", where=node.where)

    def _load_leaf(self, node: Argument | Constant, index: tuple[Expr, ...], element: Element) -> ir.Value:
        if isinstance(node, Constant) and node.elements.is_splat:
            return self.splat(node.elements)
        address = self.space.simplify(linearize(index, node.shape))
        buffer = self.buffers[node.number]
        lane = element.lane
        if lane is not None and lane.tile and self.has_lanes(address):
            stride = linear_coefficient(address, lane.name)
            if stride is not None and stride.constant() != 1 and linear_coefficient(address, lane.tile) == 1:
                return transpose.load(self, buffer, address, element)
        return memory.load(self, buffer, address, element)

    def splat(self, elements: ir.DenseElementsAttr) -> ir.Value:
        """The scalar of a constant whose elements are all equal."""
        array = elements_to_array(elements)
        mlir_type = widen(element_type(tensor_info(elements.type).dtype))
        return constant(mlir_type, array.reshape(-1)[0].item() if array.size else 0)

    def _computed(self, node: Mapped | Reduced | Argmax, index: tuple[Expr, ...], element: Element) -> ir.Value:
        names = frozenset().union(*(e.symbols() for e in index)) if index else frozenset()
        home = self.home(names)
        vectorized = any(self.has_lanes(e) for e in index)
        if self.fetching and not isinstance(node, Mapped):
            scalar = lane_type(node.dtype)
            return zero(ir.VectorType.get([self.width], scalar) if vectorized else scalar)
        if self.fetching and vectorized and isinstance(node, Mapped):
            return self._mapped(node, index, element)
        key = (node.number, tuple(map(str, index)), element.guard if vectorized else 0)
        for scope in reversed(self.scopes.stack[: home.depth + 1]):
            if key in scope.memo:
                return scope.memo[key]  # type: ignore[return-value]
        row_buffer = self.row_buffers.get(node.number)
        if row_buffer is not None and row_buffer.ready and vectorized and not element.guard:
            return memory.load(self, row_buffer.buffer, self.space.simplify(row_buffer.address_of(index)), element)
        with self.scopes.at(home):
            if isinstance(node, Mapped):
                value = self._mapped(node, index, element)
            elif isinstance(node, Argmax):
                value = argmax.argmax(self, node, index, element, home)
            elif vectorized:
                value = reductions.along_lanes(self, node, index, element, home, key)
            else:
                value = reductions.to_scalar(self, node, index, home)
            if row_buffer is not None and vectorized and self.filling is row_buffer.filled_by and not element.guard:
                memory.store(self, row_buffer.buffer, self.space.simplify(row_buffer.address_of(index)), value, element)
        home.memo[key] = value
        return value

    def _mapped(self, node: Mapped, index: tuple[Expr, ...], element: Element) -> ir.Value:
        evaluation = region.Region(self, node.stage, node.iteration(index), element)
        return evaluation.data(list(node.stage.block.operations)[-1].operation.operands[node.result])

    def sums_with_erf(self, block: ir.Block) -> dict[ir.Operation, ir.Operation]:
        """`sums_with_erf` of a region, remembered. None where exponentials are an instruction, which makes erf cheap."""
        if self.target.has("exp2"):
            return {}
        if block not in self._sums_with_erf:
            self._sums_with_erf[block] = sums_with_erf(block)
        return self._sums_with_erf[block]

    @property
    def fetching(self) -> bool:
        """Whether code is emitted for its addresses alone, to fetch the next row: lanes are neither loaded nor remembered."""
        return self.next_row is not None and self.next_row.active

    def fetch(self, buffer: Buffer, address: Expr, element: Element) -> None:
        """Instead of a load of contiguous lanes, while `fetching`."""
        ahead.fetch(self, buffer, address, element)

    def outer_scalar(self, value: ir.Value) -> ir.Value:
        """A scalar defined between stages, cloned to the start of the function."""
        known = self.graph.sizes.get(value)
        if known is not None:
            return self.scopes.index(known)
        outermost = self.scopes.stack[0]
        key = ("scalar", value)
        if key not in outermost.memo:
            op = value.owner
            if isinstance(op, ir.Block):
                raise UnsupportedError("a scalar argument is not a size", where=self.graph.name)
            operands = [self.outer_scalar(v) for v in op.operation.operands]
            with outermost.insertion_point():
                outermost.memo[key] = region.clone(self, op.operation, operands, None)
        return outermost.memo[key]  # type: ignore[return-value]

    def lanes_of(self, expression: Expr, element: Element) -> ir.Value:
        """An index expression as data: index lanes, or an index scalar when it does not depend on the lane."""
        if not self.has_lanes(expression):
            return self.scopes.index(expression)
        base, offsets = self.lane_addresses(expression, element)
        if not is_vector(offsets):
            return arith.AddIOp(base, offsets).result
        return arith.AddIOp(broadcast(base, self.width), offsets).result

    def lane_addresses(self, expression: Expr, element: Element) -> tuple[ir.Value, ir.Value]:
        """`(scalar base, lane offsets)` whose sum is the expression in each lane."""
        zero = constant(ir.IndexType.get(), 0)
        if not self.has_lanes(expression):
            return self.scopes.index(expression), zero
        lane = element.lane
        if lane is not None and not self.has_lane_data(expression):
            stride = linear_coefficient(expression, lane.name)
            if stride is not None:
                steps = memory.lane_numbers(self.width)
                if stride != 1:
                    steps = arith.MulIOp(steps, broadcast(self.scopes.index(stride), self.width)).result
                return self.scopes.index(expression), steps
        return zero, self._lane_expression(expression, element)

    def _lane_expression(self, expression: Expr, element: Element) -> ir.Value:
        """Each monomial in lanes: for indices that are divided or come from data."""
        uniform = Expr({m: c for m, c in expression.terms.items() if not self.has_lanes(Expr({m: 1}))})
        total: ir.Value | None = None
        for monomial, coefficient in expression.terms.items():
            if monomial in uniform.terms:
                continue
            value: ir.Value | None = None
            scale = Expr({tuple(a for a in monomial if not self.has_lanes(Expr({(a,): 1}))): coefficient})
            for atom in monomial:
                if not self.has_lanes(Expr({(atom,): 1})):
                    continue
                factor = self._lane_atom(atom.name, atom.args, element)
                value = factor if value is None else arith.MulIOp(value, factor).result
            if value is None:
                raise ValueError("a monomial without lanes is uniform")
            if scale != 1:
                value = arith.MulIOp(value, broadcast(self.scopes.index(scale), self.width)).result
            total = value if total is None else arith.AddIOp(total, value).result
        if total is None:
            raise ValueError("an expression without lanes is uniform")
        if uniform.terms:
            total = arith.AddIOp(total, broadcast(self.scopes.index(uniform), self.width)).result
        return total

    def _lane_atom(self, name: str, args: tuple[str, ...], element: Element) -> ir.Value:
        if not args:
            if name in self.lane_data:
                return self.lane_data[name]
            base = broadcast(self.scopes.lookup(name), self.width)
            return arith.AddIOp(base, memory.lane_numbers(self.width)).result
        lhs, rhs = (broadcast(self.lanes_of(parse(a), element), self.width) for a in args)
        build: dict[str, Callable[..., arith.DivUIOp]] = {
            "floordiv": arith.DivUIOp,
            "mod": arith.RemUIOp,
            "ceildiv": arith.CeilDivUIOp,
            "max": arith.MaxSIOp,
            "min": arith.MinSIOp,
        }
        return build[name](lhs, rhs).result

    def data_index(self, value: ir.Value) -> Expr:
        """A computed index value (scalar or lanes) as an index expression."""
        name = self.fresh("v")
        if is_vector(value):
            self.lane_data[name] = value
        self.scopes.active.values[name] = value
        if self.next_row is not None and self.next_row.active:
            self.next_row.symbols.add(name)
        return symbol(name)

    def bound(self, size: Dim) -> ir.Value:
        """A size as a value."""
        return self.scopes.index(to_expr(size))


def constant_buffer(node: Constant, module_body: ir.Block, name: str) -> Buffer:
    """A dense constant as a private global of the module with this body; returns the buffer at the current insertion point."""
    array = elements_to_array(node.elements).reshape(-1)
    stored = array.astype("int8") if node.dtype == "i1" else array
    element = storage_type(node.dtype)
    buffer_type = ir.MemRefType.get([stored.size], element)
    tensor = ir.RankedTensorType.get([stored.size], element)
    raw = stored.view("uint16") if node.dtype == "bf16" else stored
    with ir.InsertionPoint.at_block_begin(module_body):
        memref.GlobalOp(
            name,
            ir.TypeAttr.get(buffer_type),
            sym_visibility=ir.StringAttr.get("private"),
            initial_value=_dense(np.ascontiguousarray(raw), tensor),
            constant=True,
        )
    view = memref.GetGlobalOp(buffer_type, name).result
    return Buffer(view, node.dtype)


def _dense(array: np.ndarray, tensor: ir.Type) -> ir.Attribute:
    # The bindings' stubs do not know that any array is accepted.
    get: Any = ir.DenseElementsAttr.get
    return get(array, type=tensor)
