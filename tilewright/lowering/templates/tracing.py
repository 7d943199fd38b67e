"""From values of a level 2 kernel to the buffers behind them: movement ops become strided views, never copies."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.templates.views import StridedView

MOVEMENT = ("transpose", "reshape", "broadcast")
"""Ops that a view can express."""


@dataclass(frozen=True)
class Source:
    """An argument of the kernel seen through movement ops: `view` has the shape of the traced value."""

    argument: int
    dtype: str
    view: StridedView


def is_argument(value: ir.Value) -> bool:
    """Whether the value enters the kernel from outside."""
    return isinstance(value.owner, ir.Block)


def trace_source(value: ir.Value) -> Source | None:
    """The argument that `value` is a view of; None when something computes it. Raises UnsupportedError for a reshape of a
    transposed value whose sizes do not line up.
    """
    info = tw.tensor_info(value)
    if is_argument(value):
        return Source(ir.BlockArgument(value).arg_number, info.dtype, StridedView.contiguous(info.shape))
    op = value.owner
    if not tw.is_op(op, *MOVEMENT):
        return None
    inner = trace_source(op.operation.operands[0])
    if inner is None:
        return None
    match tw.short_name(op):
        case "transpose":
            view: StridedView | None = inner.view.transpose(tw.get(op, "permutation"))
        case "broadcast":
            view = inner.view.broadcast_to(info.shape)
        case _:
            view = inner.view.reshape(info.shape)
    if view is None:
        raise _no_view(op)
    return Source(inner.argument, inner.dtype, view)


def trace_result(value: ir.Value) -> tuple[ir.Value, StridedView]:
    """The computed value behind a returned one, and where its elements go: a view of the output buffer in the shape of the former."""
    view: StridedView | None = StridedView.contiguous(tw.tensor_info(value).shape)
    while not is_argument(value) and tw.is_op(value.owner, "transpose", "reshape"):
        op = value.owner
        value = op.operation.operands[0]
        assert view is not None
        if tw.is_op(op, "transpose"):
            permutation = tw.get(op, "permutation")
            view = view.transpose([permutation.index(axis) for axis in range(len(permutation))])
        else:
            view = view.reshape(tw.tensor_info(value).shape)
        if view is None:
            raise _no_view(op)
    assert view is not None
    return value, view


def _no_view(op: ir.OpView | ir.Operation) -> UnsupportedError:
    return UnsupportedError(
        f"{tw.op_name(op)} cannot be read by strides here",
        where=tw.location_text(op.location),
        why="its sizes do not provably line up with those of the transposed value",
        remedy="keep it outside the kernel",
    )
