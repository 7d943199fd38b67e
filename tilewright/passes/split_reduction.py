"""`tw-split-reduction`: few long sums become more shorter ones, where threads would have nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, product, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw.types import BYTES
from tilewright.passes.rewrite import PatternSet, Rewriter, defined_functions
from tilewright.passes.scalars import Scalar
from tilewright.passes.schedules.matmul_instructions import LAYOUTS
from tilewright.passes.schedules.matmul_kernel import ACCUMULATORS, inner_size
from tilewright.passes.schedules.matmul_rule import product_schedule
from tilewright.targets import Target, find

SHORTEST = 1024
"""Rows of k of a slice: with fewer, what starts and ends a unit of work is no longer small beside it."""
SMALLEST = 1 << 21
"""Bytes of both operands: adding up costs up to three microseconds, which is much beside what fewer bytes take."""
MOST_SLICES = 16
"""The sums of all slices are operands of one pointwise op."""
LARGEST_SHARE = 0.05
"""Of the bytes of both operands: what the sums of the slices may have, written once and read once. Measured, one thread loses no larger
share of its time, mostly less; in bf16, where it copies rows of a large k, it gains.
"""


@register_pass
@dataclass(frozen=True)
class SplitReduction(Pass):
    """Split the sums of a matmul along k where it has fewer units of work for threads than `below`, as the rule tiles it for `target`.

    The matmul becomes a batch of matmuls over equal slices of k, and a pointwise sum of their results, which is fused with what follows.
    Slices are part of the program: results are the same for any number of threads. They have at least 1024 rows, and are as few as give
    `units` units, at most 16 slices; all their sums, written and read, are at most 5 % of the operands' bytes, so that one thread loses
    little. Operands of less than 1 MiB for each unit are not worth it. That leaves products of few rows and columns and a large k, of
    known sizes: rows may be dynamic up to a known small number. The right side is a matrix. A weight's slices are read from the panels
    of the whole matrix; where these hold sums of its columns (`lhs_offset`), nothing is split.

    Four units are enough for two threads; more threads gain where `below` is larger.

    Before: `%y = "tw.matmul"(%x, %w) : (tensor<4x16384xf32>, tensor<16384x64xf32>) -> tensor<4x64xf32>`
    After: `%s = "tw.matmul"(%a, %b) : (tensor<8x4x2048xf32>, tensor<8x2048x64xf32>) -> tensor<8x4x64xf32>`, where %a is a reshape and a
    transpose of %x and %b a reshape of %w, and `%y = "tw.pointwise"(%s0, .., %s7) ({ additions })` of the 8 slices of %s
    """

    name: ClassVar[str] = "tw-split-reduction"
    target: str = option("native", help="name of the target, as `tilewright targets` lists them")
    below: int = option(4, help="split matmuls of fewer units of work than this")
    units: int = option(8, help="units of work to split them into; 1 splits nothing")

    def run(self, module: ir.Module) -> None:
        if self.units < 1:
            raise InputError(
                f"a matmul cannot be split into {self.units} units of work", remedy="give tw-split-reduction units of at least 1"
            )
        target = find(self.target)
        if target.is_gpu:
            return
        patterns = PatternSet()

        @patterns.on("matmul")
        def split(rw: Rewriter, op: ir.Operation) -> bool:
            slices = _choose_slices(rw, op, target, min(self.below, self.units), self.units)
            if slices > 1:
                rw.replace(op, [_split(rw, op, slices)])
            return slices > 1

        for function in defined_functions(module):
            if "tw.kernel" not in function.operation.attributes:
                Rewriter(function, patterns).run()


def _choose_slices(rw: Rewriter, op: ir.Operation, target: Target, enough: int, wanted: int) -> int:
    """Into how many slices to split k, so that there are `wanted` units of work; 1 for not at all, as where there are `enough`."""
    lhs, rhs = (rw.info(v) for v in op.operands)
    n, k, rows = rw.shape(op.results[0])[-1], inner_size(op), to_expr(product(rw.shape(op.results[0])[:-1]))
    if rhs.rank != 2 or rhs.dtype not in ACCUMULATORS or lhs.dtype != rhs.dtype or rw.attribute(op, "transpose_lhs"):
        return 1
    if not isinstance(n, int) or not isinstance(k, int) or n < 1 or k < 2 * SHORTEST:
        return 1
    most_rows = rows.bounds(rw.ranges)[1]
    packed = rw.producer(op.operands[1], "weight") is not None
    schedule = product_schedule(rows, n, k, rhs.dtype, target, rw.ranges, packed=packed)
    if schedule is None:
        return 1
    layout = LAYOUTS[rhs.dtype][schedule.instruction]
    units = -(-most_rows // schedule.mb) * -(-n // (schedule.nr * schedule.panels)) * _products_of(rw, op)
    if units >= enough or (packed and layout.lhs_offset):
        return 1
    operands = (most_rows + n) * k * BYTES[rhs.dtype]
    if operands < SMALLEST:
        return 1
    sums = 2 * max(most_rows, 1) * n * BYTES[layout.acc]
    most = min(MOST_SLICES, k // SHORTEST, int(LARGEST_SHARE * operands / sums))
    possible = [s for s in range(2, most + 1) if k % s == 0 and k // s % layout.whole_k == 0 and k // s % layout.group == 0]
    return next((s for s in possible if s * units >= wanted), possible[-1] if possible else 1)


def _products_of(rw: Rewriter, op: ir.Operation) -> int:
    """Matmuls that multiply the same left side, and may share its kernel."""
    return sum(tw.is_op(use.owner, "matmul") and use.operand_number == 0 for use in op.operands[0].uses)


def _split(rw: Rewriter, op: ir.Operation, slices: int) -> ir.Value:
    """The sum of the products of `slices` slices of k, of the op's type."""
    (lhs, rhs), result = op.operands, rw.info(op.results[0])
    transposed, rows = rw.attribute(op, "transpose_rhs"), product(rw.shape(lhs)[:-1])
    left = _sliced(rw, lhs, rows, slices, True)
    right = _sliced(rw, rhs, rw.shape(rhs)[0 if transposed else 1], slices, transposed)
    dtype = rw.info(rhs).dtype
    accumulate = ACCUMULATORS[dtype]
    attributes: dict[str, Any] = {**rw.attributes(op), "accumulate": accumulate if accumulate != dtype else None}
    sums = rw.reshape(rw.build("matmul", left, right, **attributes), (slices, *result.shape))
    parts = [_part(rw, sums, i, result.shape) for i in range(slices)]
    name = "addf" if accumulate == "f32" else "addi"

    def total(terms: Sequence[Scalar]) -> Scalar:
        """Pairs of pairs, which are independent of each other."""
        half = len(terms) // 2
        return terms[0] if half == 0 else rw.scalars.arith(name, total(terms[:half]), total(terms[half:]))

    return rw.cast(rw.map(lambda *terms: total(terms), *parts), result.dtype)


def _sliced(rw: Rewriter, value: ir.Value, size: Dim, slices: int, inner: bool) -> ir.Value:
    """A matrix with `size` elements besides k as a batch of its slices along k: `[slices, size, k / slices]` where k is the `inner`
    dimension, else `[slices, k / slices, size]`. A cast stays next to the matmul, which converts while it loads.
    """
    cast = rw.producer(value, "pointwise")
    if cast is not None and tw.is_cast(cast):
        return rw.cast(_sliced(rw, cast.operands[0], size, slices, inner), rw.info(value).dtype)
    depth = rw.shape(value)[-1 if inner else 0]
    assert isinstance(depth, int)
    if not inner:
        return rw.reshape(value, (slices, depth // slices, size))
    return rw.build("transpose", rw.reshape(value, (size, slices, depth // slices)), permutation=(1, 0, 2))


def _part(rw: Rewriter, sums: ir.Value, number: int, shape: Sequence[Dim]) -> ir.Value:
    """One of the slices' results."""
    starts = (number, *(0 for _ in shape))
    return rw.reshape(rw.build("slice", sums, starts=starts, sizes=(1, *shape), steps=tuple(1 for _ in starts)), shape)
