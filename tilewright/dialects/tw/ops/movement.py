"""Ops that move elements and compute nothing."""

from __future__ import annotations

import numpy as np

from tilewright.core.symbolic import product, simplify_dim, to_expr
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import TensorInfo, broadcast_shapes

_INPUT = Operand("input", "the tensor")


@register_op
class ReshapeOp(OpSpec):
    """The same elements in row-major order under another shape. Never a copy outside kernels."""

    name = "reshape"
    operands = (_INPUT,)
    attributes = (Attribute("shape", Kind.DIMS, "the new shape"),)
    constraints = (Constraint("V1", "the number of elements does not change", lambda a: product(a.input.shape) == product(a.shape)),)
    example = '%y = "tw.reshape"(%x) {shape = "2, 12"} : (tensor<4x6xf32>) -> tensor<2x12xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape(args.shape)]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [args.input.reshape(context.shape(args.shape))]


@register_op
class TransposeOp(OpSpec):
    """Permutes dimensions: dimension i of the result is dimension `permutation[i]` of the input."""

    name = "transpose"
    operands = (_INPUT,)
    attributes = (Attribute("permutation", Kind.INTS, "a permutation of the dimensions"),)
    constraints = (Constraint("V1", "permutation permutes the dimensions", lambda a: sorted(a.permutation) == list(range(a.input.rank))),)
    example = '%y = "tw.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape([args.input.shape[p] for p in args.permutation])]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [np.ascontiguousarray(np.transpose(args.input, args.permutation))]


@register_op
class BroadcastOp(OpSpec):
    """Repeats along new leading dimensions and dimensions of size 1, NumPy-style."""

    name = "broadcast"
    operands = (_INPUT,)
    attributes = (Attribute("shape", Kind.DIMS, "shape of the result"),)
    constraints = (
        Constraint("V1", "the input broadcasts to the shape", lambda a: broadcast_shapes([a.input.shape, a.shape]) == tuple(a.shape)),
    )
    example = '%y = "tw.broadcast"(%x) {shape = "4, 6"} : (tensor<6xf32>) -> tensor<4x6xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape(args.shape)]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [np.broadcast_to(args.input, context.shape(args.shape)).copy()]


def _slice_fits(args: Arguments) -> bool:
    if not (len(args.starts) == len(args.sizes) == len(args.steps) == args.input.rank) or any(s < 1 for s in args.steps):
        return False
    for start, size, step, extent in zip(args.starts, args.sizes, args.steps, args.input.shape):
        if all(isinstance(d, int) for d in (start, size, extent)) and (
            start < 0 or size < 0 or (size > 0 and start + (size - 1) * step >= extent)
        ):
            return False
    return True


@register_op
class SliceOp(OpSpec):
    """Elements `starts[d] + i * steps[d]` for `0 <= i < sizes[d]` in each dimension. Starts and sizes may be symbolic."""

    name = "slice"
    operands = (_INPUT,)
    attributes = (
        Attribute("starts", Kind.DIMS, "first index in each dimension"),
        Attribute("sizes", Kind.DIMS, "number of elements in each dimension"),
        Attribute("steps", Kind.INTS, "distance of elements in each dimension, at least 1"),
    )
    constraints = (Constraint("V1", "starts, sizes and steps stay inside the input", _slice_fits),)
    example = '%y = "tw.slice"(%x) {starts = "0, 2", sizes = "4, 3", steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<4x3xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape(args.sizes)]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        starts, sizes = context.shape(args.starts), context.shape(args.sizes)
        return [args.input[tuple(slice(s, s + n * t, t) for s, n, t in zip(starts, sizes, args.steps))].copy()]


def _concat_fits(args: Arguments) -> bool:
    first = args.inputs[0]
    if not 0 <= args.dim < first.rank:
        return False
    return all(
        x.rank == first.rank and x.dtype == first.dtype and all(i == args.dim or d == first.shape[i] for i, d in enumerate(x.shape))
        for x in args.inputs
    )


@register_op
class ConcatOp(OpSpec):
    """Joins tensors along `dim`."""

    name = "concat"
    operands = (Operand("inputs", "tensors alike in all other dimensions", variadic=True),)
    attributes = (Attribute("dim", Kind.INT, "the dimension"),)
    constraints = (
        Constraint("V1", "there is at least one input", lambda a: len(a.inputs) >= 1),
        Constraint("V2", "inputs agree in element type and in all other dimensions", _concat_fits),
    )
    example = '%y = "tw.concat"(%a, %b) {dim = 0 : i64} : (tensor<4x6xf32>, tensor<2x6xf32>) -> tensor<6x6xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        shape = list(args.inputs[0].shape)
        shape[args.dim] = simplify_dim(sum((to_expr(x.shape[args.dim]) for x in args.inputs), to_expr(0)))
        return [args.inputs[0].with_shape(shape)]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [np.concatenate(args.inputs, axis=args.dim)]


@register_op
class PadOp(OpSpec):
    """Adds `low[d]` elements before and `high[d]` after each dimension, filled with `value`."""

    name = "pad"
    operands = (_INPUT,)
    attributes = (
        Attribute("low", Kind.DIMS, "elements added before"),
        Attribute("high", Kind.DIMS, "elements added after"),
        Attribute("value", Kind.FLOAT, "the fill value", 0.0),
    )
    constraints = (
        Constraint("V1", "low and high have one entry per dimension", lambda a: len(a.low) == len(a.high) == a.input.rank),
        Constraint("V2", "nothing is cut off", lambda a: all(not isinstance(n, int) or n >= 0 for n in (*a.low, *a.high))),
    )
    example = '%y = "tw.pad"(%x) {low = "0, 1", high = "0, 1"} : (tensor<4x6xf32>) -> tensor<4x8xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input.with_shape([to_expr(d) + low + high for d, low, high in zip(args.input.shape, args.low, args.high)])]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        widths = list(zip(context.shape(args.low), context.shape(args.high)))
        fill = np.asarray(args.value).astype(args.input.dtype)
        return [np.pad(args.input, widths, constant_values=fill)]


@register_op
class ReverseOp(OpSpec):
    """Reverses the order of elements along `dims`."""

    name = "reverse"
    operands = (_INPUT,)
    attributes = (Attribute("dims", Kind.INTS, "dimensions that are reversed"),)
    constraints = (
        Constraint(
            "V1",
            "dims are distinct dimensions of the input",
            lambda a: len(set(a.dims)) == len(a.dims) and all(0 <= d < a.input.rank for d in a.dims),
        ),
    )
    example = '%y = "tw.reverse"(%x) {dims = array<i64: 0>} : (tensor<4x6xf32>) -> tensor<4x6xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [np.flip(args.input, args.dims).copy()]
