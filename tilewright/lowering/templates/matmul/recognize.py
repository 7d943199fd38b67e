"""From a level 2 matmul kernel to its problem and epilogues."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.lowering.templates.matmul.epilogue import Epilogue
from tilewright.lowering.templates.matmul.problem import MatmulProblem, Packed, PackedTensor, Product, Tensor, build_problem
from tilewright.lowering.templates.tracing import is_argument, trace_result, trace_source
from tilewright.lowering.templates.vector_region import emit_region, region_cost, splat
from tilewright.lowering.templates.views import StridedView
from tilewright.passes.schedules.matmul_kernel import ACCUMULATORS, cast_source, column_ranges, rhs_matrix
from tilewright.targets import Target


@dataclass(frozen=True)
class MatmulKernel:
    """A recognized kernel: the problem, the epilogue of each range of columns, and the element types of inputs and outputs."""

    problem: MatmulProblem
    epilogues: tuple[Epilogue, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def recognize_matmul(function: ir.OpView, target: Target) -> MatmulKernel:
    """Read a kernel function that holds `tw.matmul` ops of one left side, movement and casts on their operands, and pointwise
    epilogues.

    Matmuls that one result depends on share a range of columns. Raises UnsupportedError, naming the op, for anything else.
    """
    block = function.operation.regions[0].blocks[0]
    returned = list(list(block.operations)[-1].operation.operands)
    ranges = column_ranges(function)
    if not ranges:
        raise UnsupportedError(
            "a matmul kernel holds a tw.matmul, this one none", where=tw.location_text(function.location), remedy="fuse a matmul"
        )
    first = ranges[0].matmuls[0]
    shape = tw.tensor_info(first.results[0]).shape
    lhs = _lhs(first, shape)
    products: list[Product] = []
    epilogues: list[Epilogue] = []
    for columns in ranges:
        shape = tw.tensor_info(columns.matmuls[0].results[0]).shape
        reader = _EpilogueReader(columns.matmuls, shape, target)
        values: list[ir.Value] = []
        results: list[Tensor] = []
        for i in columns.results:
            value, view = trace_result(returned[i])
            reader.read(value)
            if tw.tensor_info(value).shape != shape:
                raise _unsupported(value.owner, f"its shape {tw.tensor_info(value)} is not that of the matmul")
            values.append(value)
            results.append(Tensor(i, tw.tensor_info(value).dtype, view))
        sides = tuple(_rhs(matmul, shape) for matmul in columns.matmuls)
        products.append(Product(sides, tuple(reader.tensors), tuple(results)))
        epilogues.append(reader.epilogue(values))
    left, right = (tw.tensor_info(first.operands[i]).dtype for i in (0, 1))
    return MatmulKernel(
        build_problem(lhs, products, (left, right, ACCUMULATORS[left])),
        tuple(epilogues),
        tuple(tw.tensor_info(a).dtype for a in block.arguments),
        tuple(tw.tensor_info(v).dtype for v in returned),
    )


def _lhs(matmul: ir.Operation, shape: tuple[Dim, ...]) -> Tensor:
    value = cast_source(matmul.operands[0])
    lhs = trace_source(value)
    if lhs is None:
        raise _unsupported(value.owner, "the left side of a matmul kernel must be an argument")
    view = _matrices(lhs.view, bool(tw.get(matmul, "transpose_lhs")))
    return Tensor(lhs.argument, lhs.dtype, view.broadcast_to((*shape[:-2], *view.shape[-2:])))


def _rhs(matmul: ir.Operation, shape: tuple[Dim, ...]) -> Tensor | PackedTensor:
    matrix = rhs_matrix(matmul)
    owner = cast_source(matrix.value).owner
    if tw.is_op(owner, "unpack"):
        panels = owner.operation.operands[0]
        if not is_argument(panels):
            raise _unsupported(owner, "packed panels must be an argument")
        info = tw.tensor_info(panels)
        nr, group = info.shape[2], info.shape[3] if info.rank == 4 else 1
        assert isinstance(nr, int) and isinstance(group, int)
        n, k = tw.tensor_info(owner.operation.results[0]).shape
        if not tw.get(owner, "transposed"):
            n, k = k, n
        packed = Packed(k, n, nr, group, tw.get(owner, "lhs_offset") or 0, matrix.slices)
        return PackedTensor(ir.BlockArgument(panels).arg_number, info.dtype, packed)
    value = cast_source(matmul.operands[1])
    rhs = trace_source(value)
    if rhs is None:
        raise _unsupported(value.owner, "the right side of a matmul kernel must be an argument")
    view = _matrices(rhs.view, bool(tw.get(matmul, "transpose_rhs")))
    return Tensor(rhs.argument, rhs.dtype, view.broadcast_to((*shape[:-2], *view.shape[-2:])))


def _matrices(view: StridedView, transposed: bool) -> StridedView:
    rank = len(view.dims)
    return view.transpose([*range(rank - 2), rank - 1, rank - 2]) if transposed else view


@dataclass
class _EpilogueReader:
    """Collects what the epilogue computes from, then emits it on vectors. `tensors` are its operands in order."""

    matmuls: list[ir.Operation]
    shape: tuple[Dim, ...]
    target: Target
    tensors: list[Tensor] = field(default_factory=list)
    _leaves: dict[ir.Value, int] = field(default_factory=dict)
    _regions: list[ir.Operation] = field(default_factory=list)

    def read(self, value: ir.Value) -> None:
        """Take `value` and all it is computed from into the epilogue."""
        if value in self._leaves or self._is_product(value) or (not is_argument(value) and value.owner.operation in self._regions):
            return
        source = trace_source(value)
        if source is not None:
            self._leaves[value] = len(self.tensors)
            self.tensors.append(Tensor(source.argument, source.dtype, source.view.broadcast_to(self.shape)))
            return
        op = value.owner.operation
        if tw.is_op(op, "constant"):
            if not ir.DenseElementsAttr(op.attributes["value"]).is_splat:
                raise _unsupported(op, "a constant in a matmul epilogue has one value")
            return
        if tw.is_op(op, "broadcast"):
            self.read(op.operands[0])
            return
        if not tw.is_op(op, "pointwise"):
            raise _unsupported(op, "the epilogue of a matmul kernel is made of tw.pointwise")
        for operand in op.operands:
            self.read(operand)
        self._regions.append(op)

    def epilogue(self, results: list[ir.Value]) -> Epilogue:
        """The epilogue that computes `results`."""

        def apply(accumulators: list[ir.Value], operands: list[ir.Value]) -> list[ir.Value]:
            lanes = ir.VectorType(accumulators[0].type).shape[0]
            known: dict[ir.Value, ir.Value] = {}
            for matmul, accumulator in zip(self.matmuls, accumulators, strict=True):
                known[matmul.results[0]] = _rounded(accumulator, tw.tensor_info(matmul.results[0]).dtype)
            known.update({value: operands[i] for value, i in self._leaves.items()})
            return [self._emit(value, known, lanes) for value in results]

        return Epilogue(apply, sum(region_cost(op.regions[0].blocks[0]) for op in self._regions), self._form(results))

    def _form(self, results: list[ir.Value]) -> str:
        """What is computed, without the names of values: equal for epilogues that compute the same."""
        names = {matmul.results[0]: f"product {i}" for i, matmul in enumerate(self.matmuls)}
        names.update({value: f"operand {i}" for value, i in self._leaves.items()})
        lines: list[str] = []

        def name(value: ir.Value) -> str:
            if value not in names:
                op = value.owner.operation
                operands = ", ".join(name(v) for v in op.operands)
                text = str(op.get_asm(use_local_scope=True)).partition("(")[2].partition(")")[2]
                lines.append(f"{op.name}({operands}){text}")
                names.update({result: f"value {len(lines)}.{i}" for i, result in enumerate(op.results)})
            return names[value]

        named = [name(value) for value in results]
        return "\n".join([*lines, *named])

    def _emit(self, value: ir.Value, known: dict[ir.Value, ir.Value], lanes: int) -> ir.Value:
        if value in known:
            return known[value]
        op = value.owner.operation
        if tw.is_op(op, "constant"):
            known[value] = splat(_splat_value(op), tw.element_type(tw.tensor_info(value).dtype), lanes)
        elif tw.is_op(op, "broadcast"):
            known[value] = self._emit(op.operands[0], known, lanes)
        else:
            operands = [self._emit(v, known, lanes) for v in op.operands]
            known.update(zip(op.results, emit_region(op.regions[0].blocks[0], operands, lanes, self.target), strict=True))
        return known[value]

    def _is_product(self, value: ir.Value) -> bool:
        return any(value == matmul.results[0] for matmul in self.matmuls)


def _rounded(accumulator: ir.Value, dtype: str) -> ir.Value:
    """The accumulator as the matmul's result type says: sums are wider than half-precision results."""
    kind = ir.VectorType(accumulator.type)
    scalar = tw.element_type(dtype)
    if kind.element_type == scalar:
        return accumulator
    held = ir.VectorType.get(kind.shape, scalar)
    is_float = isinstance(kind.element_type, ir.FloatType)
    return arith.truncf(held, accumulator) if is_float else arith.trunci(held, accumulator)


def _splat_value(constant: ir.Operation) -> ir.Attribute:
    return ir.DenseElementsAttr(constant.attributes["value"]).get_splat_value()


def _unsupported(op: ir.OpView | ir.Operation | ir.Block, why: str) -> UnsupportedError:
    name, where = (tw.op_name(op), tw.location_text(op.location)) if isinstance(op, ir.OpView | ir.Operation) else ("a value", "")
    return UnsupportedError(f"{name} does not fit into a matmul kernel", where=where, why=why, remedy="keep it outside the kernel")
