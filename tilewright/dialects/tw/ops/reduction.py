"""Reductions and scans along dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import FLOATS, TensorInfo

KINDS: dict[str, Callable[..., Any]] = {
    "add": np.add.reduce, "mul": np.multiply.reduce, "max": np.maximum.reduce, "min": np.minimum.reduce,
    "and": np.bitwise_and.reduce, "or": np.bitwise_or.reduce,
}  # fmt: skip


def reduced_shape(shape: tuple[Dim, ...], dims: tuple[int, ...], keep_dims: bool) -> tuple[Dim, ...]:
    """The shape after reducing `dims`."""
    return tuple(1 if i in dims else d for i, d in enumerate(shape) if keep_dims or i not in dims)


def _dims_valid(args: Arguments) -> bool:
    return len(set(args.dims)) == len(args.dims) > 0 and all(0 <= d < args.input.rank for d in args.dims)


def wide(array: np.ndarray) -> np.ndarray:
    """Floats as f64, so that references are more precise than what they check."""
    return array.astype(np.float64) if array.dtype.kind == "f" or array.dtype.name == "bfloat16" else array


@register_op
class ReduceOp(OpSpec):
    """Combines all elements along `dims`. The order of combination is not defined; `max` and `min` propagate NaN."""

    name = "reduce"
    operands = (Operand("input", "the tensor"),)
    attributes = (
        Attribute("dims", Kind.INTS, "dimensions that are reduced"),
        Attribute("kind", Kind.STRING, "add, mul, max, min; and, or for integers"),
        Attribute("keep_dims", Kind.BOOL, "keep the reduced dimensions with size 1", False),
    )
    constraints = (
        Constraint("R1", "dims are distinct dimensions of the input", _dims_valid),
        Constraint("R2", f"kind is one of {', '.join(KINDS)}", lambda a: a.kind in KINDS),
        Constraint("R3", "and, or need integers", lambda a: a.kind not in ("and", "or") or a.input.dtype not in FLOATS),
    )
    example = '%s = "tw.reduce"(%x) {dims = array<i64: 1>, kind = "add"} : (tensor<4x8xf32>) -> tensor<4xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape(reduced_shape(args.input.shape, args.dims, args.keep_dims))]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        x = args.input
        if args.kind in ("max", "min") and 0 in [x.shape[d] for d in args.dims]:
            low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
            high = np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).max
            shape = tuple(1 if i in args.dims else d for i, d in enumerate(x.shape))
            out = np.full(shape, low if args.kind == "max" else high, x.dtype)
            return [out if args.keep_dims else out.reshape([d for i, d in enumerate(x.shape) if i not in args.dims])]
        return [np.asarray(KINDS[args.kind](wide(x), axis=tuple(args.dims), keepdims=args.keep_dims)).astype(x.dtype)]


@register_op
class ArgmaxOp(OpSpec):
    """The index (i64) of the first largest element along `dim`; a NaN counts as largest."""

    name = "argmax"
    operands = (Operand("input", "the tensor"),)
    attributes = (
        Attribute("dim", Kind.INT, "the dimension"),
        Attribute("keep_dims", Kind.BOOL, "keep the dimension with size 1", False),
    )
    constraints = (Constraint("R1", "dim is a dimension of the input", lambda a: 0 <= a.dim < a.input.rank),)
    example = '%i = "tw.argmax"(%x) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4xi64>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape(reduced_shape(args.input.shape, (args.dim,), args.keep_dims)).with_dtype("i64")]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [np.asarray(np.argmax(args.input, axis=args.dim, keepdims=args.keep_dims), np.int64)]


@register_op
class ScanOp(OpSpec):
    """The inclusive running sum or product along `dim`, in order."""

    name = "scan"
    operands = (Operand("input", "the tensor"),)
    attributes = (Attribute("dim", Kind.INT, "the dimension"), Attribute("kind", Kind.STRING, "add or mul", "add"))
    constraints = (
        Constraint("R1", "dim is a dimension of the input", lambda a: 0 <= a.dim < a.input.rank),
        Constraint("R2", "kind is add or mul", lambda a: a.kind in ("add", "mul")),
    )
    example = '%y = "tw.scan"(%x) {dim = 1 : i64} : (tensor<4x8xi64>) -> tensor<4x8xi64>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        function = np.add.accumulate if args.kind == "add" else np.multiply.accumulate
        return [function(wide(args.input), axis=args.dim).astype(args.input.dtype)]
