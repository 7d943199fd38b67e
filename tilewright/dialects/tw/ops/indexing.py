"""Access by computed indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import TensorInfo, broadcast_shapes

_AXES = Constraint(
    "G1",
    "axes are consecutive dimensions of the input, one per index tensor",
    lambda a: (
        len(a.axes) == len(a.indices) > 0
        and list(a.axes) == list(range(a.axes[0], a.axes[0] + len(a.axes)))
        and a.axes[0] >= 0
        and a.axes[-1] < a.input.rank
    ),
)
_INDICES = Constraint(
    "G2",
    "index tensors are i32 or i64 and broadcast together",
    lambda a: all(i.dtype in ("i32", "i64") for i in a.indices) and broadcast_shapes([i.shape for i in a.indices]) is not None,
)


def indexed_shape(args: Arguments) -> tuple[Dim, ...]:
    """Shape of the selection: the indexed axes give way to the broadcast shape of the indices."""
    index_shape = broadcast_shapes([i.shape for i in args.indices]) or ()
    return (*args.input.shape[: args.axes[0]], *index_shape, *args.input.shape[args.axes[-1] + 1 :])


def _selection(args: Arguments) -> tuple[Any, ...]:
    return (slice(None),) * args.axes[0] + tuple(args.indices)


@register_op
class GatherOp(OpSpec):
    """Selects by index tensors along consecutive axes: embedding lookup, index_select, advanced indexing.

    The result is `input.shape[:axes[0]] + broadcast(indices).shape + input.shape[axes[-1]+1:]`. Indices count from 0 and must be inside the
    axis; the interpreter raises on others, compiled code clamps them.
    """

    name = "gather"
    operands = (Operand("input", "the table"), Operand("indices", "index tensors", variadic=True))
    attributes = (Attribute("axes", Kind.INTS, "the indexed axes"),)
    constraints = (_AXES, _INDICES)
    example = '%y = "tw.gather"(%t, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape(indexed_shape(args))]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        for axis, index in zip(args.axes, args.indices):
            if index.size and (index.min() < 0 or index.max() >= args.input.shape[axis]):
                raise IndexError(f"index {index.max()} or {index.min()} is outside axis {axis} of size {args.input.shape[axis]}")
        return [np.ascontiguousarray(args.input[_selection(args)])]


@register_op
class ScatterOp(OpSpec):
    """A copy of the input in which the selection of `tw.gather` is replaced by (or increased by) `updates`.

    When several updates hit one element, `set` keeps any one of them and `add` sums them.
    """

    name = "scatter"
    operands = (
        Operand("input", "the tensor"),
        Operand("updates", "broadcasts to the shape of the selection"),
        Operand("indices", "index tensors", variadic=True),
    )
    attributes = (Attribute("axes", Kind.INTS, "the indexed axes"), Attribute("kind", Kind.STRING, "set or add", "set"))
    constraints = (
        _AXES,
        _INDICES,
        Constraint("G3", "kind is set or add", lambda a: a.kind in ("set", "add")),
        Constraint(
            "G4",
            "updates have the element type of the input and broadcast to the selection",
            lambda a: a.updates.dtype == a.input.dtype and broadcast_shapes([a.updates.shape, indexed_shape(a)]) == indexed_shape(a),
        ),
    )
    example = (
        '%y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<4x8xf32>, tensor<4xi64>) -> tensor<100x8xf32>'
    )

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        out = args.input.copy()
        selection = _selection(args)
        if args.kind == "add":
            np.add.at(out, selection, args.updates)
        else:
            out[selection] = args.updates
        return [out]
