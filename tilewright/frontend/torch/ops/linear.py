"""Matrix products.

Half precision is summed in f32 and rounded once, at the end: after the bias where the op has one, as oneDNN does for torch. Where torch
rounds the sums before it adds the bias (some paths of small sizes do), its result may differ by one unit in the last place.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import product
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.dtypes import compute_type
from tilewright.frontend.torch.emitter import Emitter, Operand
from tilewright.frontend.torch.registry import imports


@imports("aten.linear.default")
def linear(emit: Emitter, x: ir.Value, weight: ir.Value, bias: ir.Value | None = None) -> ir.Value:
    """`x w^T + bias` over the last dimension of x; weight is `[N, K]` or `[K]`."""
    result = _matmul(emit, x, weight, transpose_rhs=True)
    return emit.cast(result, emit.dtype) if bias is None else emit.map(sc.add, result, bias)


def sums_of_products(emit: Emitter, lhs: ir.Value, rhs: ir.Value, *, transpose_rhs: bool = False) -> ir.Value:
    """`tw.matmul` whose result is not rounded: f32 for half precision, the operands' type for others."""
    dtype = tw.tensor_info(lhs).dtype
    wide = compute_type(dtype)
    return emit.build("matmul", lhs, rhs, transpose_rhs=transpose_rhs, accumulate=None if wide == dtype else wide)


def _matmul(emit: Emitter, lhs: ir.Value, rhs: ir.Value, transpose_rhs: bool = False) -> ir.Value:
    """`torch.matmul` before rounding: a vector is a matrix of one row (lhs) or one column (rhs), whose dimension the result lacks."""
    lhs_shape, rhs_shape = tw.tensor_info(lhs).shape, tw.tensor_info(rhs).shape
    row, column = len(lhs_shape) == 1, len(rhs_shape) == 1
    if row:
        lhs = emit.reshape(lhs, (1, *lhs_shape))
    if column:
        rhs = emit.reshape(rhs, (1, *rhs_shape))
    result = sums_of_products(emit, lhs, rhs, transpose_rhs=transpose_rhs or column)
    shape = list(tw.tensor_info(result).shape)
    if column:
        del shape[-1]
    if row:
        del shape[-1 if column else -2]
    return emit.reshape(result, shape)


@imports("aten.matmul.default", "aten.mm.default", "aten.bmm.default", "aten.mv.default", "aten.dot.default")
def matmul(emit: Emitter, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return emit.cast(_matmul(emit, lhs, rhs), emit.dtype)


@imports("aten._int_mm.default")
def int_mm(emit: Emitter, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    """i8 matrices into exact sums in i32."""
    return emit.build("matmul", lhs, rhs, accumulate="i32")


@imports("aten._weight_int8pack_mm.default")
def weight_int8pack_mm(emit: Emitter, x: ir.Value, weight: ir.Value, scales: ir.Value) -> ir.Value:
    """`x w^T * scales` for i8 weights `[N, K]` with a scale per row. An i8 is exact in every float type."""
    return emit.map(sc.mul, sums_of_products(emit, x, emit.cast(weight, tw.tensor_info(x).dtype), transpose_rhs=True), scales)


@imports("aten.addmm.default", "aten.baddbmm.default", "aten.addmv.default")
def addmm(emit: Emitter, bias: ir.Value, lhs: ir.Value, rhs: ir.Value, *, beta: Operand = 1, alpha: Operand = 1) -> ir.Value:
    """`beta * bias + alpha * lhs rhs`."""
    result = _matmul(emit, lhs, rhs)
    if alpha == 1 and beta == 1:
        return emit.map(sc.add, result, bias)
    if beta == 0:
        # torch ignores the bias then, NaN and all.
        return emit.cast(result, emit.dtype) if alpha == 1 else emit.map(sc.mul, result, alpha)
    compute = compute_type(emit.dtype)
    return emit.map(lambda r, b, f, g: sc.add(sc.mul(r, f), sc.mul(b, g)), result, bias, alpha, beta, compute=compute)


@imports("aten.outer.default", "aten.ger.default")
def outer(emit: Emitter, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    return emit.map(sc.mul, emit.unsqueeze(lhs, 1), rhs)


@imports("aten._grouped_mm.default")
def grouped_mm(
    emit: Emitter, lhs: ir.Value, rhs: ir.Value, offs: ir.Value | None = None, bias: ir.Value | None = None, *_: object, **__: object
) -> ir.Value:
    """Rows of lhs `[M, K]`, sorted by group, times the matrices of their groups `[G, K, N]`."""
    if offs is None or bias is not None or (tw.tensor_info(lhs).rank, tw.tensor_info(rhs).rank) != (2, 3):
        emit.reject("this form of grouped_mm", "supported: lhs [M, K], rhs [G, K, N], offsets, no bias")
    return emit.build("grouped_matmul", lhs, rhs, emit.cast(offs, "i32"))


@imports("aten.einsum.default")
def einsum(emit: Emitter, equation: str, operands: Sequence[ir.Value], *, path: object = None) -> ir.Value:
    """Products of one or two operands without repeated letters within one operand; everything else is decomposed by torch."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    plain = "." not in equation and all(len(set(t)) == len(t) for t in terms) and len(terms) == len(operands) <= 2
    if not arrow:
        letters = "".join(terms)
        output = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    if not plain:
        emit.decompose(f"the einsum {equation!r}")
    summed = [_sum_unused(emit, v, t, output + "".join(o for j, o in enumerate(terms) if j != i)) for i, (v, t) in
              enumerate(zip(operands, terms))]  # fmt: skip
    if len(summed) == 1:
        value, term = summed[0]
        return emit.transpose(value, [term.index(c) for c in output])
    return _contract(emit, *summed[0], *summed[1], output)


def _sum_unused(emit: Emitter, value: ir.Value, term: str, needed: str) -> tuple[ir.Value, str]:
    """Sum over the letters that nothing else mentions."""
    axes = [i for i, c in enumerate(term) if c not in needed]
    return emit.reduce(value, axes, "add"), "".join(c for c in term if c in needed)


def _contract(emit: Emitter, lhs: ir.Value, lhs_term: str, rhs: ir.Value, rhs_term: str, output: str) -> ir.Value:
    """Two operands as one batched matrix product `[batch, rows, inner] x [batch, inner, columns]`."""
    batch = [c for c in lhs_term if c in rhs_term and c in output]
    inner = [c for c in lhs_term if c in rhs_term and c not in output]
    rows = [c for c in lhs_term if c not in rhs_term]
    columns = [c for c in rhs_term if c not in lhs_term]
    sizes = dict(zip(rhs_term, tw.tensor_info(rhs).shape)) | dict(zip(lhs_term, tw.tensor_info(lhs).shape))

    def arranged(value: ir.Value, term: str, first: list[str], second: list[str]) -> ir.Value:
        value = emit.transpose(value, [term.index(c) for c in (*batch, *first, *second)])
        return emit.reshape(value, [*(sizes[c] for c in batch), product(sizes[c] for c in first), product(sizes[c] for c in second)])

    sums = sums_of_products(emit, arranged(lhs, lhs_term, rows, inner), arranged(rhs, rhs_term, inner, columns))
    result = emit.cast(sums, tw.tensor_info(lhs).dtype)
    letters = batch + rows + columns
    return emit.transpose(emit.reshape(result, [sizes[c] for c in letters]), [letters.index(c) for c in output])
