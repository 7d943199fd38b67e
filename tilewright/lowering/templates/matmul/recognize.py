"""From a level 2 matmul kernel to its problem and epilogue."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.lowering.templates.matmul.epilogue import Epilogue
from tilewright.lowering.templates.matmul.problem import MatmulProblem, Packed, Tensor, build_problem
from tilewright.lowering.templates.tracing import is_argument, trace_result, trace_source
from tilewright.lowering.templates.vector_region import emit_region, region_cost, splat
from tilewright.lowering.templates.views import StridedView
from tilewright.targets import Target


@dataclass(frozen=True)
class MatmulKernel:
    """A recognized kernel: the problem, the epilogue, and the element types of inputs and outputs."""

    problem: MatmulProblem
    epilogue: Epilogue
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def recognize_matmul(function: ir.OpView, target: Target) -> MatmulKernel:
    """Read a kernel function that holds one `tw.matmul`, movement on its operands, and a pointwise epilogue.

    Raises UnsupportedError, naming the op, for anything else.
    """
    block = function.operation.regions[0].blocks[0]
    matmuls = [op.operation for op in block.operations if tw.is_op(op, "matmul")]
    if len(matmuls) != 1:
        raise UnsupportedError(
            f"a matmul kernel holds one tw.matmul, this one {len(matmuls)}",
            where=tw.location_text(function.location),
            remedy="fuse one matmul per kernel",
        )
    matmul = matmuls[0]
    shape = tw.tensor_info(matmul.results[0]).shape
    lhs, rhs, rhs_buffer = _operands(matmul, shape)
    reader = _EpilogueReader(matmul, shape, target)
    results: list[Tensor] = []
    values: list[ir.Value] = []
    for i, returned in enumerate(list(block.operations)[-1].operation.operands):
        value, view = trace_result(returned)
        reader.read(value)
        if tw.tensor_info(value).shape != shape:
            raise _unsupported(value.owner, f"its shape {tw.tensor_info(value)} is not that of the matmul")
        values.append(value)
        results.append(Tensor(i, tw.tensor_info(value).dtype, view))
    return MatmulKernel(
        build_problem(lhs, rhs, rhs_buffer, reader.tensors, results),
        reader.epilogue(values),
        tuple(tw.tensor_info(a).dtype for a in block.arguments),
        tuple(t.dtype for t in results),
    )


def _operands(matmul: ir.Operation, shape: tuple[Dim, ...]) -> tuple[Tensor, Tensor | Packed, int]:
    batch = shape[:-2]
    lhs = trace_source(matmul.operands[0])
    if lhs is None:
        raise _unsupported(matmul.operands[0].owner, "the left side of a matmul kernel must be an argument")
    view = _matrices(lhs.view, bool(tw.get(matmul, "transpose_lhs")))
    left = Tensor(lhs.argument, lhs.dtype, view.broadcast_to((*batch, *view.shape[-2:])))
    owner = matmul.operands[1].owner
    if tw.is_op(owner, "unpack"):
        panels = owner.operation.operands[0]
        if not is_argument(panels):
            raise _unsupported(owner, "packed panels must be an argument")
        count, depth, nr = tw.tensor_info(panels).shape
        assert isinstance(count, int) and isinstance(nr, int)
        return left, Packed(depth, tw.get(owner, "columns"), nr), ir.BlockArgument(panels).arg_number
    rhs = trace_source(matmul.operands[1])
    if rhs is None:
        raise _unsupported(owner, "the right side of a matmul kernel must be an argument")
    view = _matrices(rhs.view, bool(tw.get(matmul, "transpose_rhs")))
    return left, Tensor(rhs.argument, rhs.dtype, view.broadcast_to((*batch, *view.shape[-2:]))), rhs.argument


def _matrices(view: StridedView, transposed: bool) -> StridedView:
    rank = len(view.dims)
    return view.transpose([*range(rank - 2), rank - 1, rank - 2]) if transposed else view


@dataclass
class _EpilogueReader:
    """Collects what the epilogue computes from, then emits it on vectors. `tensors` are its operands in order."""

    matmul: ir.Operation
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

        def apply(accumulator: ir.Value, operands: list[ir.Value]) -> list[ir.Value]:
            lanes = ir.VectorType(accumulator.type).shape[0]
            known: dict[ir.Value, ir.Value] = {self.matmul.results[0]: accumulator}
            known.update({value: operands[i] for value, i in self._leaves.items()})
            return [self._emit(value, known, lanes) for value in results]

        return Epilogue(apply, sum(region_cost(op.regions[0].blocks[0]) for op in self._regions))

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
        return value == self.matmul.results[0]


def _splat_value(constant: ir.Operation) -> ir.Attribute:
    return ir.DenseElementsAttr(constant.attributes["value"]).get_splat_value()


def _unsupported(op: ir.OpView | ir.Operation | ir.Block, why: str) -> UnsupportedError:
    name, where = (tw.op_name(op), tw.location_text(op.location)) if isinstance(op, ir.OpView | ir.Operation) else ("a value", "")
    return UnsupportedError(f"{name} does not fit into a matmul kernel", where=where, why=why, remedy="keep it outside the kernel")
