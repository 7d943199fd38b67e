"""Program state that outlives a call, such as KV caches: owned by the caller's session, updated in place."""

from __future__ import annotations

import numpy as np

from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import TensorInfo


@register_op
class StateReadOp(OpSpec):
    """The present value of a named state."""

    name = "state_read"
    attributes = (Attribute("name", Kind.STRING, "name of the state"),)
    constraints = (Constraint("S1", "a state has one result of static shape", lambda a: len(a.results) == 1 and a.results[0].is_static),)
    free_results = True
    example = '%c = "tw.state_read"() {name = "cache.0.key"} : () -> tensor<1x8x512x64xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return list(args.results)

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [np.asarray(context.weights[args.name]).copy()]


@register_op
class StateUpdateOp(OpSpec):
    """Writes `value` into a state at `starts`; the result is the state's new value."""

    name = "state_update"
    operands = (Operand("state", "the present value"), Operand("value", "the part written"), Operand("start", "i64 [], position along dim"))
    attributes = (Attribute("dim", Kind.INT, "the dimension in which the part is placed"),)
    constraints = (
        Constraint(
            "S1",
            "value has the rank and element type of the state",
            lambda a: (a.value.rank, a.value.dtype) == (a.state.rank, a.state.dtype),
        ),
        Constraint("S2", "dim is a dimension of the state", lambda a: 0 <= a.dim < a.state.rank),
        Constraint("S3", "start is a rank-0 i64", lambda a: a.start == TensorInfo((), "i64")),
        Constraint(
            "S4",
            "value and state agree in all other dimensions",
            lambda a: all(i == a.dim or d == a.state.shape[i] for i, d in enumerate(a.value.shape)),
        ),
    )
    example = (
        '%n = "tw.state_update"(%c, %k, %p) {dim = 2 : i64} : '
        "(tensor<1x8x512x64xf32>, tensor<1x8x1x64xf32>, tensor<i64>) -> tensor<1x8x512x64xf32>"
    )

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.state]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        out = args.state.copy()
        start = int(args.start)
        where = tuple(slice(start, start + n) if i == args.dim else slice(None) for i, n in enumerate(args.value.shape))
        out[where] = args.value
        return [out]
