"""A linalg kernel read into nodes: what each tensor value is, independent of how it will be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, call, symbol, to_expr
from tilewright.dialects.tw.access import get, location_text, symbols_of
from tilewright.dialects.tw.types import TensorInfo, tensor_info

COMBINERS: dict[str, str] = {
    "arith.addf": "add", "arith.addi": "add", "arith.mulf": "mul", "arith.muli": "mul", "arith.maximumf": "max",
    "arith.minimumf": "min", "arith.maxnumf": "maxnum", "arith.minnumf": "minnum", "arith.maxsi": "max", "arith.minsi": "min",
    "arith.andi": "and", "arith.ori": "or",
}  # fmt: skip
"""Scalar ops that may combine the accumulator of a reduction."""


@dataclass(eq=False)
class Node:
    """A tensor of the kernel."""

    number: int
    info: TensorInfo
    where: str

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.info.shape

    @property
    def dtype(self) -> str:
        return self.info.dtype


@dataclass(eq=False)
class Argument(Node):
    """A kernel argument; `position` counts tensor arguments."""

    position: int


@dataclass(eq=False)
class Constant(Node):
    """A dense constant."""

    elements: ir.DenseElementsAttr


@dataclass(eq=False)
class Filled(Node):
    """Every element is one scalar (`linalg.fill`); the scalar is defined outside any region."""

    scalar: ir.Value


@dataclass(eq=False)
class Reshaped(Node):
    """The elements of `source` in row-major order under another shape."""

    source: Node


@dataclass(eq=False)
class Sliced(Node):
    """`source[starts + index * steps]`."""

    source: Node
    starts: tuple[Dim, ...]
    steps: tuple[Dim, ...]


@dataclass(eq=False)
class Stage:
    """One `linalg.generic`: iteration space, operands with their index expressions, scalar region."""

    op: ir.Operation
    sizes: tuple[Dim, ...]
    reduced: tuple[int, ...]
    inputs: tuple[tuple[Node, ir.AffineMap], ...]
    block: ir.Block


@dataclass(eq=False)
class Mapped(Node):
    """Result `result` of a stage without reductions; `dims[i]` is the iteration dimension of result dimension i."""

    stage: Stage
    result: int
    dims: tuple[int, ...]

    def iteration(self, index: Sequence[Expr]) -> list[Expr]:
        """The iteration point of the stage at which this result has `index`."""
        point = [to_expr(0)] * len(self.stage.sizes)
        for position, dim in enumerate(self.dims):
            point[dim] = index[position]
        return point


@dataclass(eq=False)
class Reduced(Node):
    """Result `result` of a stage with reductions: `kind` combines `contribution` (a region value) into the accumulator."""

    stage: Stage
    result: int
    dims: tuple[int, ...]
    kind: str
    contribution: ir.Value
    init: Node


@dataclass(eq=False)
class Argmax(Node):
    """Position of the first largest element of `source` along `dim` (`tw.argmax`)."""

    source: Node
    dim: int
    keep_dims: bool

    def source_index(self, index: Sequence[Expr], at: Expr) -> list[Expr]:
        """The index into the source of element `at` of the row that belongs to `index`."""
        rest = list(index)
        if self.keep_dims:
            del rest[self.dim]
        rest.insert(self.dim, at)
        return rest


@dataclass(eq=False)
class Arrays(Node):
    """Result of an op with an order of its own (`tw.scan`, `tw.scatter`): computed as a whole into memory."""

    op: ir.Operation
    operands: tuple[Node, ...]


@dataclass
class Graph:
    """A kernel: its nodes in program order and the nodes it returns."""

    function: ir.OpView
    name: str
    size_ranges: dict[str, tuple[int, int]]
    symbol_names: list[str]
    arguments: list[Argument] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)
    by_value: dict[ir.Value, Node] = field(default_factory=dict)
    sizes: dict[ir.Value, Expr] = field(default_factory=dict)


def read_kernel(function: ir.OpView) -> Graph:
    """The graph of a linalg kernel function. Raises UnsupportedError for ops that are no part of such a kernel."""
    ranges = symbols_of(function)
    names = sorted(ranges, key=lambda n: (len(n), n))
    graph = Graph(function, ir.StringAttr(function.operation.attributes["sym_name"]).value, ranges, names)
    block = function.operation.regions[0].blocks[0]
    tensors = [a for a in block.arguments if isinstance(a.type, ir.RankedTensorType)]
    scalars = [a for a in block.arguments if not isinstance(a.type, ir.RankedTensorType)]
    for position, argument in enumerate(tensors):
        node = Argument(len(graph.nodes), tensor_info(argument), location_text(function.location), position)
        graph.arguments.append(node)
        _add(graph, argument, node)
    if len(scalars) != len(names):
        raise UnsupportedError(
            f"kernel {graph.name} has {len(scalars)} size arguments for {len(names)} symbols", remedy="lower it by tw-lower-to-linalg"
        )
    for argument, name in zip(scalars, names, strict=True):
        graph.sizes[argument] = symbol(name)
    for op in block.operations:
        _read(graph, op.operation)
    return graph


def _add(graph: Graph, value: ir.Value, node: Node) -> None:
    graph.nodes.append(node)
    graph.by_value[value] = node


def _read(graph: Graph, op: ir.Operation) -> None:
    where = location_text(op.location)
    number = len(graph.nodes)
    match op.name:
        case "func.return":
            graph.outputs = [graph.by_value[v] for v in op.operands]
        case "linalg.generic":
            _read_generic(graph, op)
        case "linalg.fill":
            value, target = op.operands
            _add(graph, op.results[0], Filled(number, tensor_info(target), where, value))
        case "tensor.empty":
            # Only ever an output operand, whose elements are not read.
            pass
        case "tensor.expand_shape" | "tensor.collapse_shape":
            _add(graph, op.results[0], Reshaped(number, tensor_info(op.results[0]), where, graph.by_value[op.operands[0]]))
        case "tensor.extract_slice":
            starts, steps = (tuple(_mixed(graph, op, which)) for which in ("static_offsets", "static_strides"))
            info = tensor_info(op.results[0])
            _add(graph, op.results[0], Sliced(number, info, where, graph.by_value[op.operands[0]], starts, steps))
        case "arith.constant" if isinstance(op.results[0].type, ir.RankedTensorType):
            elements = ir.DenseElementsAttr(op.attributes["value"])
            _add(graph, op.results[0], Constant(number, tensor_info(op.results[0]), where, elements))
        case "tw.argmax":
            (source,) = (graph.by_value[v] for v in op.operands)
            dim, keep_dims = get(op, "dim"), get(op, "keep_dims")
            _add(graph, op.results[0], Argmax(number, tensor_info(op.results[0]), where, source, dim, keep_dims))
        case "tw.scan" | "tw.scatter":
            operands = tuple(graph.by_value[v] for v in op.operands)
            _add(graph, op.results[0], Arrays(number, tensor_info(op.results[0]), where, op, operands))
        case _ if op.name.startswith(("arith.", "math.")):
            _read_scalar(graph, op)
        case _:
            raise UnsupportedError(f"{op.name} may not stand in a linalg kernel", where=where, remedy="lower it to linalg.generic first")


def _read_scalar(graph: Graph, op: ir.Operation) -> None:
    """Size arithmetic between stages; other scalars are cloned where they are used."""
    if not isinstance(op.results[0].type, ir.IndexType):
        return
    if op.name == "arith.constant":
        graph.sizes[op.results[0]] = to_expr(ir.IntegerAttr(op.attributes["value"]).value)
        return
    combined = combine_indices(op.name, [graph.sizes.get(v) for v in op.operands])
    if combined is None:
        raise UnsupportedError(f"{op.name} on sizes is not supported", where=location_text(op.location))
    graph.sizes[op.results[0]] = combined


def combine_indices(name: str, operands: Sequence[Expr | None]) -> Expr | None:
    """The expression that an index op computes from expressions, or None when it has none."""
    if len(operands) != 2 or operands[0] is None or operands[1] is None:
        return None
    lhs, rhs = operands[0], operands[1]
    match name:
        case "arith.addi":
            return lhs + rhs
        case "arith.subi":
            return lhs - rhs
        case "arith.muli":
            return lhs * rhs
        case "arith.divui" | "arith.divsi" | "arith.floordivsi":
            return to_expr(call("floordiv", lhs, rhs))
        case "arith.remui" | "arith.remsi":
            return to_expr(call("mod", lhs, rhs))
        case "arith.ceildivui" | "arith.ceildivsi":
            return to_expr(call("ceildiv", lhs, rhs))
        case "arith.maxsi" | "arith.maxui":
            return to_expr(call("max", lhs, rhs))
        case "arith.minsi" | "arith.minui":
            return to_expr(call("min", lhs, rhs))
        case _:
            return None


def _mixed(graph: Graph, op: ir.Operation, which: str) -> list[Dim]:
    """Offsets or strides of a slice: static entries and, for dynamic ones, the operands."""
    dynamic = ir.ShapedType.get_dynamic_stride_or_offset()
    segments = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    first = segments[0] + (0 if which == "static_offsets" else segments[1] + segments[2])
    operands = iter(list(op.operands)[first:])
    return [v if v != dynamic else graph.sizes[next(operands)] for v in ir.DenseI64ArrayAttr(op.attributes[which])]


def _read_generic(graph: Graph, op: ir.Operation) -> None:
    where = location_text(op.location)
    maps = [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]
    iterators = [str(a) for a in ir.ArrayAttr(op.attributes["iterator_types"])]
    reduced = tuple(i for i, text in enumerate(iterators) if "reduction" in text)
    input_count = next(iter(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])))
    operands = list(op.operands)
    sizes: list[Dim | None] = [None] * len(iterators)
    for operand, indexing in zip(operands, maps, strict=True):
        for axis, result in enumerate(indexing.results):
            if isinstance(result, ir.AffineDimExpr) and sizes[result.position] is None:
                sizes[result.position] = tensor_info(operand).shape[axis]
    known = [s for s in sizes if s is not None]
    if len(known) != len(sizes):
        raise UnsupportedError("an iteration dimension of linalg.generic has no operand that gives its size", where=where)
    inputs = tuple((graph.by_value[v], m) for v, m in zip(operands[:input_count], maps))
    block = op.regions[0].blocks[0]
    stage = Stage(op, tuple(known), reduced, inputs, block)
    yielded = list(list(block.operations)[-1].operation.operands)
    for result, value in enumerate(yielded):
        out_map = maps[input_count + result]
        if not all(isinstance(r, ir.AffineDimExpr) for r in out_map.results):
            raise UnsupportedError("an output map of linalg.generic is not a permutation of dimensions", where=where)
        dims = tuple(r.position for r in out_map.results if isinstance(r, ir.AffineDimExpr))
        info = tensor_info(op.results[result])
        number = len(graph.nodes)
        if not reduced:
            _add(graph, op.results[result], Mapped(number, info, where, stage, result, dims))
            continue
        accumulator = block.arguments[input_count + result]
        kind, contribution = _split_combiner(value, accumulator, where)
        init = graph.by_value.get(operands[input_count + result])
        if init is None:
            raise UnsupportedError("a reduction starts from an uninitialized tensor", where=where, remedy="fill it first")
        _add(graph, op.results[result], Reduced(number, info, where, stage, result, dims, kind, contribution, init))


def _split_combiner(value: ir.Value, accumulator: ir.Value, where: str) -> tuple[str, ir.Value]:
    """`(kind, contribution)` of a region that yields `accumulator <op> contribution`."""
    owner = value.owner
    combiner = None if isinstance(owner, ir.Block) else owner
    uses = len(list(accumulator.uses))
    if combiner is not None and combiner.operation.name in COMBINERS and uses == 1:
        operands = list(combiner.operation.operands)
        if accumulator in operands:
            (contribution,) = [v for v in operands if v != accumulator] or [None]
            if contribution is not None:
                return COMBINERS[combiner.operation.name], contribution
    raise UnsupportedError(
        "the region of a reduction does not combine the accumulator by one operation",
        where=where,
        remedy=f"yield one of: {', '.join(COMBINERS)} of the accumulator and a value",
    )


def affine_to_index(expression: ir.AffineExpr, dims: Sequence[Expr]) -> Expr:
    """An affine expression over iteration dimensions as an index expression."""
    if isinstance(expression, ir.AffineDimExpr):
        return dims[expression.position]
    if isinstance(expression, ir.AffineConstantExpr):
        return to_expr(expression.value)
    if not isinstance(expression, ir.AffineBinaryExpr):
        raise UnsupportedError(f"an indexing map with {expression}")
    lhs, rhs = (affine_to_index(e, dims) for e in (expression.lhs, expression.rhs))
    if isinstance(expression, ir.AffineAddExpr):
        return lhs + rhs
    if isinstance(expression, ir.AffineMulExpr):
        return lhs * rhs
    name = "mod" if isinstance(expression, ir.AffineModExpr) else "floordiv" if isinstance(expression, ir.AffineFloorDivExpr) else "ceildiv"
    return to_expr(call(name, lhs, rhs))
