"""Which `tw` ops may share a kernel: the roles of ops and the legality of joining them.

A kernel is either built around one *anchor* (a matmul or an attention, with movement and, for a matmul, casts on its operands and a
pointwise epilogue) or it is a *loop* kernel with one iteration domain: pointwise ops, reductions and normalizations along the last
dimension of that domain.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.passes.schedules.matmul_kernel import rhs_matrix

Shape = tuple[Dim, ...]


class Role(enum.Enum):
    """What an op is to fusion."""

    OUTSIDE = "stays outside kernels: a weight, or a reshape that only renames memory"
    INLINE = "cheap to compute again: copied into every kernel that uses it"
    MOVEMENT = "moves elements: folded into its consumer when it has one"
    POINTWISE = "computes element by element"
    ROWS = "reduces or normalizes along dimensions"
    ANCHOR = "a matmul or an attention: one per kernel"
    ALONE = "does not fuse"


_ROLES: dict[str, Role] = {
    "weight": Role.OUTSIDE,
    "constant": Role.INLINE, "dim": Role.INLINE, "iota": Role.INLINE,
    "transpose": Role.MOVEMENT, "slice": Role.MOVEMENT, "reverse": Role.MOVEMENT, "broadcast": Role.MOVEMENT,
    "pointwise": Role.POINTWISE, "gather": Role.POINTWISE,
    "reduce": Role.ROWS, "softmax": Role.ROWS, "layer_norm": Role.ROWS, "rms_norm": Role.ROWS,
    "matmul": Role.ANCHOR, "attention": Role.ANCHOR,
}  # fmt: skip


def role_of(op: ir.OpView | ir.Operation) -> Role:
    """The role of a `tw` op. A reshape is inline when it only adds or removes dimensions of size 1, or splits a weight for a matmul,
    which reads it packed; else it stays outside.
    """
    name = tw.short_name(op)
    if name == "reshape":
        return Role.INLINE if is_unit_reshape(op) or splits_weight(op.operation) else Role.OUTSIDE
    return _ROLES.get(name or "", Role.ALONE)


def is_unit_reshape(op: ir.OpView | ir.Operation) -> bool:
    """True for a reshape that only adds or removes dimensions of size 1."""
    before, after = tw.tensor_info(op.operation.operands[0]).shape, tw.tensor_info(op.operation.results[0]).shape
    return without_units(before) == without_units(after)


def splits_weight(op: ir.Operation) -> bool:
    """True for a reshape with which a matmul multiplies a weight by slices along k, and which serves nothing else."""
    weight = op.operands[0].owner
    if isinstance(weight, ir.Block) or not tw.is_op(weight, "weight"):
        return False
    readers = [use.owner.operation for use in op.results[0].uses]
    users = [use.owner.operation for r in readers if tw.is_op(r, "transpose") for use in r.results[0].uses]
    users += [r for r in readers if not tw.is_op(r, "transpose")]
    return bool(users) and all(tw.is_op(user, "matmul") and _multiplies_slices(user, op) for user in users)


def _multiplies_slices(matmul: ir.Operation, reshape: ir.Operation) -> bool:
    split = rhs_matrix(matmul).split
    return split is not None and split == reshape


def without_units(shape: Sequence[Dim]) -> Shape:
    return tuple(d for d in shape if d != 1)


def reduced_dims(op: ir.OpView | ir.Operation) -> tuple[int, ...]:
    """Dimensions that an op of role ROWS reduces over."""
    rank = tw.tensor_info(op.operation.operands[0]).rank
    match tw.short_name(op):
        case "reduce":
            return tuple(sorted(tw.get(op, "dims")))
        case "softmax":
            return (tw.get(op, "dim"),)
        case "layer_norm":
            return tuple(range(rank - tw.get(op, "axes"), rank))
        case _:
            return (rank - 1,)


def reduces_last_only(op: ir.OpView | ir.Operation) -> bool:
    """True when an op of role ROWS works along the last dimension alone."""
    return reduced_dims(op) == (tw.tensor_info(op.operation.operands[0]).rank - 1,)


def domain_of(op: ir.OpView | ir.Operation) -> Shape:
    """The iteration domain of an op of role POINTWISE or ROWS."""
    if role_of(op) is Role.ROWS:
        return tw.tensor_info(op.operation.operands[0]).shape
    return tw.tensor_info(op.operation.results[0]).shape


def merged_domain(domain: Shape, other: Shape, has_rows: bool) -> Shape | None:
    """The domain of a loop kernel that holds both; None when they do not fit.

    Equal domains fit. So do values that are constant along the last dimension (`[.., 1]`), and, where the kernel reduces along the last
    dimension, values without that dimension.
    """
    if domain == other:
        return domain
    for large, small in ((domain, other), (other, domain)):
        if not large:
            continue
        if len(large) == len(small) and large[:-1] == small[:-1] and small[-1] == 1:
            return large
        if has_rows and large[:-1] == small:
            return large
    return None


def keeps_last_dim(op: ir.OpView | ir.Operation) -> bool:
    """True for movement whose result is read along the same contiguous dimension as its input."""
    match tw.short_name(op):
        case "transpose":
            permutation = tw.get(op, "permutation")
            return permutation[-1] == len(permutation) - 1
        case "slice":
            return tw.get(op, "steps")[-1] == 1
        case "broadcast":
            return True
        case _:
            return False
