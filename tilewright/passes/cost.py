"""Work of kernels: floating point operations and bytes moved, as expressions over the kernel's symbols."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, product, simplify_dim, to_expr
from tilewright.dialects import tw

_NORMALIZATION_OPERATIONS = {"softmax": 5, "layer_norm": 8, "rms_norm": 5, "group_norm": 8, "rope": 3}
"""Operations per element, transcendentals counted as one."""


@dataclass(frozen=True)
class Cost:
    """Operations (a multiply-add counts as two) and bytes: every input and output of the kernel once."""

    operations: Dim
    nbytes: Dim


def op_operations(op: ir.OpView | ir.Operation) -> Dim:
    """Operations of one `tw` op."""
    name = tw.short_name(op) or ""
    operands = [tw.tensor_info(v) for v in op.operation.operands]
    results = [tw.tensor_info(v) for v in op.operation.results]
    match name:
        case "matmul":
            lhs = operands[0].shape
            contracted = lhs[-2] if tw.get(op, "transpose_lhs") else lhs[-1]
            return simplify_dim(to_expr(results[0].elements) * contracted * 2)
        case "attention":
            batch, heads, queries, size = operands[0].shape
            keys, value_size = operands[2].shape[2:]
            return simplify_dim(to_expr(product((batch, heads, queries, keys))) * (to_expr(size) + value_size) * 2)
        case "pointwise":
            count = sum(1 for inner in tw.body(op).operations if inner.operation.name not in ("tw.yield", "arith.constant"))
            return simplify_dim(to_expr(results[0].elements) * count)
        case "reduce" | "scan" | "argmax":
            return operands[0].elements
        case _ if name in _NORMALIZATION_OPERATIONS:
            return simplify_dim(to_expr(operands[0].elements) * _NORMALIZATION_OPERATIONS[name])
        case _:
            return 0


def kernel_cost(function: ir.OpView | ir.Operation) -> Cost:
    """Cost of one launch of a kernel function."""
    block = function.operation.regions[0].blocks[0]
    operations = to_expr(0)
    gathered: set[ir.Value] = set()
    total_bytes = to_expr(0)
    for op in block.operations:
        if tw.short_name(op) is None:
            total_bytes = total_bytes + sum((to_expr(tw.tensor_info(v).nbytes) for v in op.operation.operands), to_expr(0))
            continue
        operations = operations + op_operations(op)
        if tw.is_op(op, "gather"):  # a table is not read as a whole: the rows selected are
            table = op.operation.operands[0]
            gathered.add(table)
            total_bytes = total_bytes + tw.tensor_info(op.operation.results[0]).nbytes
    for argument in block.arguments:
        if argument not in gathered:
            total_bytes = total_bytes + tw.tensor_info(argument).nbytes
    return Cost(simplify_dim(operations), simplify_dim(total_bytes))
