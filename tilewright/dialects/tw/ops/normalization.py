"""Softmax and the normalizations. Statistics are computed in f32 whatever the element type."""

from __future__ import annotations

import numpy as np

from tilewright.dialects.tw.ops.reduction import wide
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import FLOATS, TensorInfo

_FLOAT = Constraint("N1", "the input is floating point", lambda a: a.input.dtype in FLOATS)


def _affine_fits(args: Arguments) -> bool:
    expected = args.input.shape[args.input.rank - args.axes :]
    return all(p is None or (p.shape == expected and p.dtype == args.input.dtype) for p in (args.weight, args.bias))


@register_op
class SoftmaxOp(OpSpec):
    """`exp(x - max) / sum(exp(x - max))` along `dim`; with `log`, its logarithm."""

    name = "softmax"
    operands = (Operand("input", "the tensor"),)
    attributes = (Attribute("dim", Kind.INT, "the dimension"), Attribute("log", Kind.BOOL, "log-softmax", False))
    constraints = (_FLOAT, Constraint("N2", "dim is a dimension of the input", lambda a: 0 <= a.dim < a.input.rank))
    example = '%y = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        x = wide(args.input)
        with np.errstate(all="ignore"):
            shifted = x - x.max(axis=args.dim, keepdims=True, initial=-np.inf)
            total = np.exp(shifted).sum(axis=args.dim, keepdims=True)
            out = shifted - np.log(total) if args.log else np.exp(shifted) / total
        return [out.astype(args.input.dtype)]


@register_op
class LayerNormOp(OpSpec):
    """`(x - mean) / sqrt(var + eps) * weight + bias` over the last `axes` dimensions (Ba et al. 2016); var is the biased variance."""

    name = "layer_norm"
    operands = (
        Operand("input", "the tensor"),
        Operand("weight", "scale, of the normalized shape", optional=True),
        Operand("bias", "shift, of the normalized shape", optional=True),
    )
    attributes = (
        Attribute("eps", Kind.FLOAT, "added to the variance"),
        Attribute("axes", Kind.INT, "number of trailing dimensions normalized together", 1),
    )
    constraints = (
        _FLOAT,
        Constraint("N2", "axes is between 1 and the rank", lambda a: 1 <= a.axes <= a.input.rank),
        Constraint("N3", "weight and bias have the normalized shape and the element type of the input", _affine_fits),
    )
    example = (
        '%y = "tw.layer_norm"(%x, %w, %b) {eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>} : '
        "(tensor<4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<4x8xf32>"
    )

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        x = wide(args.input)
        axis = tuple(range(x.ndim - args.axes, x.ndim))
        out = (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + args.eps)
        out = out if args.weight is None else out * wide(args.weight)
        return [(out if args.bias is None else out + wide(args.bias)).astype(args.input.dtype)]


@register_op
class RmsNormOp(OpSpec):
    """`x / sqrt(mean(x^2) + eps) * weight` over the last dimension (Zhang and Sennrich 2019)."""

    name = "rms_norm"
    operands = (Operand("input", "the tensor"), Operand("weight", "scale, of the last dimension", optional=True))
    attributes = (Attribute("eps", Kind.FLOAT, "added to the mean square"),)
    constraints = (
        _FLOAT,
        Constraint(
            "N2",
            "weight has the size of the last dimension and the element type of the input",
            lambda a: (
                a.input.rank >= 1 and (a.weight is None or (a.weight.shape == a.input.shape[-1:] and a.weight.dtype == a.input.dtype))
            ),
        ),
    )
    example = '%y = "tw.rms_norm"(%x, %w) {eps = 1.0e-6 : f64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        x = wide(args.input)
        out = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + args.eps)
        return [(out if args.weight is None else out * wide(args.weight)).astype(args.input.dtype)]


@register_op
class GroupNormOp(OpSpec):
    """Normalizes each of `groups` groups of channels of `x[N, C, ...]` over its channels and positions (Wu and He 2018)."""

    name = "group_norm"
    operands = (
        Operand("input", "tensor [N, C, ...]"),
        Operand("weight", "scale [C]", optional=True),
        Operand("bias", "shift [C]", optional=True),
    )
    attributes = (Attribute("groups", Kind.INT, "number of groups"), Attribute("eps", Kind.FLOAT, "added to the variance"))
    constraints = (
        _FLOAT,
        Constraint(
            "N2",
            "the channel count is static and divisible by groups",
            lambda a: a.input.rank >= 2 and isinstance(a.input.shape[1], int) and a.groups > 0 and a.input.shape[1] % a.groups == 0,
        ),
        Constraint(
            "N3",
            "weight and bias are [C]",
            lambda a: all(p is None or (p.shape == a.input.shape[1:2] and p.dtype == a.input.dtype) for p in (a.weight, a.bias)),
        ),
    )
    example = (
        '%y = "tw.group_norm"(%x) {groups = 2 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : '
        "(tensor<1x4x8xf32>) -> tensor<1x4x8xf32>"
    )

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.input]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        x = wide(args.input)
        grouped = x.reshape(x.shape[0], args.groups, -1)
        grouped = (grouped - grouped.mean(-1, keepdims=True)) / np.sqrt(grouped.var(-1, keepdims=True) + args.eps)
        out = grouped.reshape(x.shape)
        channel = (1, -1) + (1,) * (x.ndim - 2)
        out = out if args.weight is None else out * wide(args.weight).reshape(channel)
        return [(out if args.bias is None else out + wide(args.bias).reshape(channel)).astype(args.input.dtype)]
