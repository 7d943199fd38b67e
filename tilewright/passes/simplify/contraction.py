"""Movement around matmul and attention: patterns of `tw-simplify-movement`."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.core.symbolic import product
from tilewright.passes.rewrite import PatternSet, Rewriter

patterns = PatternSet()


@patterns.on("matmul")
def transposed_operand(rw: Rewriter, op: ir.Operation) -> bool:
    """A transpose of the last two dimensions is a flag of the matmul."""
    operands, flags, changed = list(op.operands), dict(rw.attributes(op)), False
    for i, flag in enumerate(("transpose_lhs", "transpose_rhs")):
        transpose = rw.producer(operands[i], "transpose")
        if transpose is None:
            continue
        permutation = rw.attribute(transpose, "permutation")
        rank = len(permutation)
        if permutation == (*range(rank - 2), rank - 1, rank - 2):
            operands[i], flags[flag], changed = transpose.operands[0], not flags[flag], True
    if changed:
        rw.replace(op, [rw.build("matmul", *operands, **flags)])
    return changed


@patterns.on("matmul")
def broadcast_operand(rw: Rewriter, op: ir.Operation) -> bool:
    """Batch dimensions broadcast by themselves."""
    operands, changed = list(op.operands), False
    for i, value in enumerate(operands):
        broadcast = rw.producer(value, "broadcast")
        if broadcast is None:
            continue
        source = rw.shape(broadcast.operands[0])
        if len(source) >= 2 and source[-2:] == rw.shape(value)[-2:]:
            operands[i], changed = broadcast.operands[0], True
    if changed:
        result = rw.build("matmul", *operands, **rw.attributes(op))
        rw.replace(op, [rw.broadcast(result, rw.shape(op.results[0]))])
    return changed


@patterns.on("matmul")
def collapsed_rows(rw: Rewriter, op: ir.Operation) -> bool:
    """`matmul(reshape(x), w) -> reshape(matmul(x, w))` for a matrix w when the reshape joins rows: the rows keep their dimensions."""
    lhs, rhs = op.operands
    reshape = rw.producer(lhs, "reshape")
    if reshape is None or len(rw.shape(rhs)) != 2 or rw.attribute(op, "transpose_lhs"):
        return False
    source, columns = rw.shape(reshape.operands[0]), rw.shape(lhs)[-1]
    rows = next((i for i in range(len(source) - 1, 0, -1) if product(source[i:]) == columns), 0)
    if rows < len(rw.shape(lhs)) - 1 or (rows == len(rw.shape(lhs)) - 1 and len(source) == len(rw.shape(lhs))):
        return False
    if source[:rows] == rw.shape(lhs)[:-1]:
        return False
    result = rw.build("matmul", rw.reshape(reshape.operands[0], (*source[:rows], columns)), rhs, **rw.attributes(op))
    rw.replace(op, [rw.reshape(result, rw.shape(op.results[0]))])
    return True


@patterns.on("attention")
def broadcast_mask(rw: Rewriter, op: ir.Operation) -> bool:
    """The mask and the score inputs of an attention broadcast by themselves."""
    groups = rw.groups(op)
    inputs = [groups["mask"], *groups["score_inputs"]]
    broadcasts = [None if value is None else rw.producer(value, "broadcast") for value in inputs]
    if not any(broadcasts):
        return False
    mask, *score_inputs = (value if b is None else b.operands[0] for value, b in zip(inputs, broadcasts, strict=True))
    rw.rebuild(op, {"mask": mask, "score_inputs": tuple(score_inputs)})
    return True
