"""What a level 2 kernel function multiplies: its matmuls, grouped by the results that depend on them. Analysis alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw

ACCUMULATORS = {"f32": "f32", "bf16": "f32", "f16": "f32", "i8": "i32"}
"""Element type of a matmul's operands to that of its sums."""


@dataclass
class ColumnRange:
    """Matmuls whose products meet in the same results, in order of the block, and the positions of those results."""

    matmuls: list[ir.Operation]
    results: list[int] = field(default_factory=list)


def column_ranges(function: ir.OpView) -> list[ColumnRange]:
    """The ranges of columns of a kernel: one for each set of results that depend on the same matmuls. A matmul that no result
    depends on is in none; results that depend on no matmul are in none.
    """
    block = function.operation.regions[0].blocks[0]
    operations = [op.operation for op in block.operations]
    order = {op: i for i, op in enumerate(operations) if tw.is_op(op, "matmul")}
    ranges: list[ColumnRange] = []
    for position, value in enumerate(operations[-1].operands):
        found = sorted(_matmuls_behind(value, {}), key=lambda op: order[op])
        if not found:
            continue
        owner = next((r for r in ranges if set(r.matmuls) & set(found)), None)
        if owner is None:
            owner = ColumnRange([])
            ranges.append(owner)
        owner.matmuls = sorted({*owner.matmuls, *found}, key=lambda op: order[op])
        owner.results.append(position)
    return ranges


def inner_size(matmul: ir.Operation) -> Dim:
    """The size that a `tw.matmul` contracts."""
    shape = tw.tensor_info(matmul.operands[0]).shape
    return shape[-2] if tw.get(matmul, "transpose_lhs") else shape[-1]


@dataclass(frozen=True)
class RhsMatrix:
    """The right side of a `tw.matmul`, or the matrix of whose `slices` equal parts along k each batch element multiplies one."""

    value: ir.Value
    slices: int = 1
    split: ir.Operation | None = None
    """The `tw.reshape` that splits the matrix."""


def rhs_matrix(matmul: ir.Operation) -> RhsMatrix:
    """What a matmul multiplies by, seen through the ops with which `tw-split-reduction` takes a matrix apart along k."""
    return sliced_matrix(matmul.operands[1], bool(tw.get(matmul, "transpose_rhs"))) or RhsMatrix(matmul.operands[1])


def sliced_matrix(value: ir.Value, transposed: bool) -> RhsMatrix | None:
    """The matrix behind a batch of its slices along k; None for other values.

    Slices of `[k, n]` are `[slices, k / slices, n]` by a reshape, those of a `transposed` matrix `[n, k]` are
    `[slices, n, k / slices]` by a reshape and a transpose.
    """
    if isinstance(value.owner, ir.Block):
        return None
    op = value.owner.operation
    if transposed:
        if not tw.is_op(op, "transpose") or tuple(tw.get(op, "permutation")) != (1, 0, 2) or isinstance(op.operands[0].owner, ir.Block):
            return None
        op = op.operands[0].owner.operation
    if not tw.is_op(op, "reshape"):
        return None
    matrix, parts = tw.tensor_info(op.operands[0]).shape, tw.tensor_info(op.results[0]).shape
    if len(matrix) != 2 or len(parts) != 3 or parts[0 if transposed else 2] != matrix[0 if transposed else 1]:
        return None
    slices = parts[1 if transposed else 0]
    return RhsMatrix(op.operands[0], slices, op) if isinstance(slices, int) and slices > 1 else None


def is_packable(function: ir.OpView, value: ir.Value) -> bool:
    """Whether `value` is a constant matrix of known sizes that enters the kernel `function`, in which one op alone reads it."""
    info = tw.tensor_info(value)
    if info.rank != 2 or not info.is_static or not isinstance(value.owner, ir.Block) or len(list(value.uses)) != 1:
        return False
    if "arg_attrs" not in function.operation.attributes:
        return False
    attributes = ir.ArrayAttr(function.operation.attributes["arg_attrs"])
    return "tw.weight" in ir.DictAttr(attributes[ir.BlockArgument(value).arg_number])


def cast_source(value: ir.Value) -> ir.Value:
    """What is behind a cast in front of a matmul: the operand of a `tw.pointwise` that only rounds or widens; else the value."""
    while not isinstance(value.owner, ir.Block):
        op = value.owner.operation
        if not tw.is_cast(op):
            return value
        value = op.operands[0]
    return value


def _matmuls_behind(value: ir.Value, known: dict[ir.Operation, set[ir.Operation]]) -> set[ir.Operation]:
    if isinstance(value.owner, ir.Block):
        return set()
    op = value.owner.operation
    if op not in known:
        if tw.is_op(op, "matmul"):
            known[op] = {op}
        else:
            found: set[ir.Operation] = set()
            for operand in op.operands:
                found |= _matmuls_behind(operand, known)
            known[op] = found
    return known[op]
