"""Which matmuls may share a kernel: products of one left side, which is then read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.passes.schedules.matmul_kernel import ACCUMULATORS
from tilewright.passes.schedules.matmul_rule import WITHOUT_VECTOR_CODE


def products_meet(one: Sequence[ir.Operation], other: Sequence[ir.Operation]) -> bool:
    """Whether the only matmuls of two groups can be the two right sides of one tile, as those of a gated product.

    Not more than two: tiles would have too few rows to keep the multiply-add units busy.
    """
    first, second = _matmuls(one), _matmuls(other)
    return len(first) == len(second) == 1 and _share_left_side(first[0], second[0]) and has_vector_code([*one, *other])


def merging_pays(one: Sequence[ir.Operation], other: Sequence[ir.Operation]) -> bool:
    """Whether two groups of a matmul and its epilogue should be ranges of columns of one kernel.

    That is so when both compute the same from other weights, as keys and values do: the kernel has code for one of them, and all panels
    of columns are divided among the threads at once. A range of another form would double the code for little: reading the left side
    once more costs 0 to 2 % of the time, measured at 384 to 2048 features.
    """
    first, second = _matmuls(one), _matmuls(other)
    return len(first) == len(second) == 1 and _share_left_side(first[0], second[0]) and _compute_same(one, other) and has_vector_code(one)


def has_vector_code(ops: Sequence[ir.Operation]) -> bool:
    """Whether every pointwise op can be part of a matmul's epilogue. A kernel in which one cannot is lowered as loops."""
    regions = [tw.body(op) for op in ops if tw.is_op(op, "pointwise")]
    return not any(inner.operation.name in WITHOUT_VECTOR_CODE for region in regions for inner in region.operations)


def _matmuls(ops: Sequence[ir.Operation]) -> list[ir.Operation]:
    return [op for op in ops if tw.is_op(op, "matmul")]


def _share_left_side(one: ir.Operation, other: ir.Operation) -> bool:
    """Whether two matmuls multiply the same left side, read the same way, by different right sides of one kind: matrices with a known
    number of columns that are weights in both (and can be packed) or in neither.
    """
    if one.operands[0] != other.operands[0] or one.operands[1] == other.operands[1]:
        return False
    if bool(tw.get(one, "transpose_lhs")) != bool(tw.get(other, "transpose_lhs")):
        return False
    sides = [tw.tensor_info(op.operands[1]) for op in (one, other)]
    results = [tw.tensor_info(op.results[0]) for op in (one, other)]
    return (
        all(side.rank == 2 and side.dtype in ACCUMULATORS for side in sides)
        and sides[0].dtype == sides[1].dtype
        and results[0].dtype == results[1].dtype
        and results[0].shape[:-1] == results[1].shape[:-1]
        and all(isinstance(result.shape[-1], int) for result in results)
        and _is_weight(one.operands[1]) == _is_weight(other.operands[1])
    )


def _compute_same(one: Sequence[ir.Operation], other: Sequence[ir.Operation]) -> bool:
    """Whether two lists of ops are equal up to the values that they use from outside, which have equal types and like origins."""
    if len(one) != len(other):
        return False
    pairs = dict(zip(one, other, strict=True))
    return all(
        _text(a) == _text(b) and all(_correspond(x, y, pairs) for x, y in zip(a.operands, b.operands, strict=True))
        for a, b in pairs.items()
    )


def _correspond(one: ir.Value, other: ir.Value, pairs: Mapping[ir.Operation, ir.Operation]) -> bool:
    """Whether two operands come from ops of the same place, or from like ops outside."""
    owners = [None if isinstance(value.owner, ir.Block) else value.owner.operation for value in (one, other)]
    first, second = owners
    if first is None or second is None:
        return first is second
    if first in pairs or second in pairs.values():
        return pairs.get(first) == second
    return first == second or first.name == second.name


def _text(op: ir.Operation) -> str:
    """The op without the names of its operands: regions, attributes, types."""
    return op.name + str(op.get_asm(use_local_scope=True)).partition("(")[2].partition(")")[2]


def _is_weight(value: ir.Value) -> bool:
    return not isinstance(value.owner, ir.Block) and tw.is_op(value.owner, "weight")
