"""Matrix products."""

from __future__ import annotations

import numpy as np

from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.layouts import panels_shape, unpack_panels
from tilewright.dialects.tw.ops.reduction import wide
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import TensorInfo, broadcast_shapes, numpy_dtype

ACCUMULATE = {"f16": "f32", "bf16": "f32", "i8": "i32"}
"""The wider element type that a matmul of narrow operands may accumulate in and return."""


def matrix_dims(shape: tuple[Dim, ...], transposed: bool) -> tuple[Dim, Dim]:
    """Rows and columns of the matrices that an operand holds."""
    return (shape[-1], shape[-2]) if transposed else (shape[-2], shape[-1])


@register_op
class MatmulOp(OpSpec):
    """Matrix product of the last two dimensions, `[.., M, K] x [.., K, N] -> [.., M, N]`; leading dimensions broadcast.

    `transpose_lhs` and `transpose_rhs` say that an operand is stored transposed (`[.., K, M]`, `[.., N, K]`).

    With `accumulate` the products are summed in that type and the sums are the result, not rounded to the operands' type: f32 for
    f16 and bf16 operands, i32 (exact modulo 2^32) for i8 operands. Without it the result has the element type of the operands; sums of
    f16 and bf16 are accumulated in f32 and rounded once at the end, integers wrap around in their own type.
    """

    name = "matmul"
    operands = (Operand("lhs", "[.., M, K]"), Operand("rhs", "[.., K, N]"))
    attributes = (
        Attribute("transpose_lhs", Kind.BOOL, "lhs is stored [.., K, M]", False),
        Attribute("transpose_rhs", Kind.BOOL, "rhs is stored [.., N, K]", False),
        Attribute("accumulate", Kind.DTYPE, "element type of the sums and of the result where it differs from the operands'", None),
    )
    constraints = (
        Constraint("M1", "both operands have at least two dimensions", lambda a: a.lhs.rank >= 2 and a.rhs.rank >= 2),
        Constraint("M2", "element types are equal", lambda a: a.lhs.dtype == a.rhs.dtype),
        Constraint(
            "M3",
            "the contracted sizes are equal",
            lambda a: matrix_dims(a.lhs.shape, a.transpose_lhs)[1] == matrix_dims(a.rhs.shape, a.transpose_rhs)[0],
        ),
        Constraint("M4", "leading dimensions broadcast", lambda a: broadcast_shapes([a.lhs.shape[:-2], a.rhs.shape[:-2]]) is not None),
        Constraint(
            "M5",
            "accumulate is f32 for f16 and bf16 operands, i32 for i8 operands, absent for others",
            lambda a: a.accumulate is None or a.accumulate == ACCUMULATE.get(a.lhs.dtype),
        ),
    )
    example = (
        '%y = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<?x384xf32, "s0, 384">, tensor<128x384xf32>) '
        '-> tensor<?x128xf32, "s0, 128">'
    )

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        batch = broadcast_shapes([args.lhs.shape[:-2], args.rhs.shape[:-2]]) or ()
        rows = matrix_dims(args.lhs.shape, args.transpose_lhs)[0]
        columns = matrix_dims(args.rhs.shape, args.transpose_rhs)[1]
        return [args.lhs.with_shape((*batch, rows, columns)).with_dtype(args.accumulate or args.lhs.dtype)]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        lhs = np.swapaxes(args.lhs, -1, -2) if args.transpose_lhs else args.lhs
        rhs = np.swapaxes(args.rhs, -1, -2) if args.transpose_rhs else args.rhs
        if args.accumulate is None:
            return [np.matmul(wide(lhs), wide(rhs)).astype(args.lhs.dtype)]
        dtype = numpy_dtype(args.accumulate)
        if dtype.kind == "i":
            return [np.matmul(lhs.astype(dtype), rhs.astype(dtype))]
        return [np.matmul(wide(lhs), wide(rhs)).astype(dtype)]


@register_op
class GroupedMatmulOp(OpSpec):
    """Rows `offsets[g-1] <= i < offsets[g]` of lhs times matrix g of rhs: the experts of a mixture. Rows past the last offset are 0."""

    name = "grouped_matmul"
    operands = (
        Operand("lhs", "[M, K], rows sorted by group"),
        Operand("rhs", "[G, K, N]"),
        Operand("offsets", "[G], i32: end of each group"),
    )
    constraints = (
        Constraint("M1", "lhs is [M, K], rhs [G, K, N], offsets [G]", lambda a: (a.lhs.rank, a.rhs.rank, a.offsets.rank) == (2, 3, 1)),
        Constraint("M2", "element types are equal", lambda a: a.lhs.dtype == a.rhs.dtype),
        Constraint("M3", "the contracted sizes are equal", lambda a: a.lhs.shape[1] == a.rhs.shape[1]),
        Constraint("M4", "one i32 offset per group", lambda a: a.offsets.dtype == "i32" and a.offsets.shape[0] == a.rhs.shape[0]),
    )
    example = '%y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<8x4xf32>, tensor<2x4x6xf32>, tensor<2xi32>) -> tensor<8x6xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        return [args.lhs.with_shape((args.lhs.shape[0], args.rhs.shape[2]))]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        out = np.zeros((args.lhs.shape[0], args.rhs.shape[2]), args.lhs.dtype)
        start = 0
        for group, end in enumerate(args.offsets):
            out[start:end] = (wide(args.lhs[start:end]) @ wide(args.rhs[group])).astype(args.lhs.dtype)
            start = int(end)
        return [out]


def _panels_fit(args: Arguments) -> bool:
    panels = args.panels
    if panels.rank not in (3, 4) or not panels.is_static or 0 in panels.shape[2:]:
        return False
    rows, nr, group = _packed_rows(args), panels.shape[2], panels.shape[3] if panels.rank == 4 else 1
    offset = args.lhs_offset or 0
    if offset and (panels.dtype, group) != ("i8", 4):
        return False
    return (panels.rank == 3) == (group == 1) and panels.shape == panels_shape(rows, args.columns, nr, group, offset)


def _packed_rows(args: Arguments) -> int:
    if args.rows is not None:
        return args.rows
    groups = args.panels.shape[1] - (1 if args.lhs_offset else 0)
    return groups * (args.panels.shape[3] if args.panels.rank == 4 else 1)


@register_op
class UnpackOp(OpSpec):
    """The plain matrix `[K, N]` (`[N, K]` if `transposed`) that packed panels stand for.

    Panels are `[ceildiv(N, nr), K, nr]`, or `[ceildiv(N, nr), ceildiv(K, g), nr, g]` where g > 1 rows that follow each other in K lie
    side by side (`dialects/tw/layouts.py`). With `lhs_offset`, for i8 in groups of 4, one more group behind each panel holds the i32
    `-lhs_offset * sum of the column`: what a product with a left side to which the offset was added must begin with. The op stands in
    kernels between a packed weight and the matmul that reads its panels; nothing is unpacked when the kernel runs.
    """

    name = "unpack"
    operands = (Operand("panels", "[ceildiv(N, nr), K, nr] or [ceildiv(N, nr), ceildiv(K, g), nr, g]"),)
    attributes = (
        Attribute("columns", Kind.INT, "N"),
        Attribute("rows", Kind.INT, "K; absent where the panels hold K rows without padding", None),
        Attribute("transposed", Kind.BOOL, "the matrix is [N, K]", False),
        Attribute("lhs_offset", Kind.INT, "panels end with sums of their columns for a left side stored with this added", None),
    )
    constraints = (
        Constraint(
            "U1",
            "panels are a static [ceildiv(columns, nr), rows, nr], or [ceildiv(columns, nr), ceildiv(rows, g), nr, g] with g > 1; "
            "with lhs_offset i8 and g = 4, and one group more",
            _panels_fit,
        ),
    )
    example = '%w = "tw.unpack"(%p) {columns = 100 : i64, transposed = true} : (tensor<3x64x48xf32>) -> tensor<100x64xf32>'

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        k = _packed_rows(args)
        return [args.panels.with_shape((args.columns, k) if args.transposed else (k, args.columns))]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        return [unpack_panels(args.panels, transposed=args.transposed, n=args.columns, k=args.rows, lhs_offset=args.lhs_offset or 0)]
