"""Integer tensors that are affine functions of their index: what iota, arithmetic on it and movement make.

Positions and masks of a model are made of these, so comparisons of them can be decided, or recognized as causal or windowed, from the
coefficients alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.passes.rewrite import Rewriter
from tilewright.passes.scalars import Scalar

_INTEGERS = ("i8", "i16", "i32", "i64")
_BITS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}


@dataclass(frozen=True)
class Affine:
    """`value[i0, i1, ..] = offset + sum(coefficients[d] * i_d)`. Coefficients of dimensions of size 1 are 0."""

    offset: Dim
    coefficients: tuple[int, ...]

    @property
    def varying(self) -> tuple[int, ...]:
        """Dimensions along which the value changes."""
        return tuple(d for d, c in enumerate(self.coefficients) if c)

    @property
    def splat(self) -> int | None:
        """The number that all elements are, if they are."""
        return self.offset if isinstance(self.offset, int) and not any(self.coefficients) else None

    @property
    def iota_dim(self) -> int | None:
        """The dimension of which the value is the index, if it is one."""
        return self.varying[0] if self.offset == 0 and len(self.varying) == 1 and self.coefficients[self.varying[0]] == 1 else None

    def plus(self, other: Affine, sign: int = 1) -> Affine:
        coefficients = tuple(a + sign * b for a, b in zip(self.coefficients, other.coefficients))
        return Affine(simplify_dim(to_expr(self.offset) + to_expr(other.offset) * sign), coefficients)

    def times(self, factor: int) -> Affine:
        return Affine(simplify_dim(to_expr(self.offset) * factor), tuple(c * factor for c in self.coefficients))

    def extremes(self, shape: Sequence[Dim]) -> tuple[Dim, Dim]:
        """Smallest and largest value over a (non-empty) shape."""
        low = high = to_expr(self.offset)
        for coefficient, size in zip(self.coefficients, shape):
            reach = (to_expr(size) - 1) * coefficient
            low, high = (low + reach, high) if coefficient < 0 else (low, high + reach)
        return low, high


def affine(rw: Rewriter, value: ir.Value) -> Affine | None:
    """The affine form of an integer tensor, None where it is not known to have one."""
    info = rw.info(value)
    if info.dtype not in _INTEGERS:
        return None
    op = rw.producer(value)
    name = None if op is None else tw.short_name(op)
    if op is None or name not in _FORMS:
        return None
    key = ("affine", value)
    if key not in rw.facts:
        form = _FORMS[name](rw, op, value)
        rw.facts[key] = form if form is not None and _fits(rw, form, info.shape, info.dtype) else None
    return rw.facts[key]


def splat(rw: Rewriter, value: ir.Value) -> bool | int | float | None:
    """The number that all elements of a tensor are, where that is evident."""
    op = rw.producer(value)
    if op is None:
        return None
    name = tw.short_name(op)
    if name == "constant":
        elements = rw.attribute(op, "value")
        if elements.is_splat:
            return elements.get_splat_value().value
        return None
    if name == "pointwise":
        index = list(op.results).index(value) if len(op.results) > 1 else 0
        scalar = rw.yields(op)[index]
        if scalar.is_constant:
            return scalar.value
    form = affine(rw, value)
    return None if form is None else form.splat


def scalar_affine(rw: Rewriter, scalar: Scalar, operands: Sequence[ir.Value | Affine | None], shape: Sequence[Dim]) -> Affine | None:
    """The affine form of an integer expression of a region whose result has this shape.

    An operand that is no tensor is given by its form, None for no form.
    """
    rank = len(shape)
    if scalar.dtype not in _INTEGERS and scalar.dtype != "index":
        return None
    if scalar.is_constant:
        return Affine(scalar.value, (0,) * rank)
    if scalar.is_argument:
        operand = operands[scalar.index]
        form = affine(rw, operand) if isinstance(operand, ir.Value) else operand
        return None if form is None else Affine(form.offset, (0,) * (rank - len(form.coefficients)) + form.coefficients)
    if scalar.name not in _ARITHMETIC:
        return None
    forms = [scalar_affine(rw, a, operands, shape) for a in scalar.args]
    known = [f for f in forms if f is not None]
    form = _ARITHMETIC[scalar.name](known) if len(known) == len(forms) else None
    return form if form is not None and _fits(rw, form, shape, scalar.dtype) else None


def decided(rw: Rewriter, predicate: int, lhs: Affine, rhs: Affine, shape: Sequence[Dim]) -> bool | None:
    """The outcome of a signed comparison (a predicate of `arith.cmpi`) when it is the same for all elements of all sizes."""
    low, high = lhs.plus(rhs, -1).extremes(shape)
    smallest, largest = to_expr(low).bounds(rw.ranges)[0], to_expr(high).bounds(rw.ranges)[1]
    match predicate:
        case 0 | 1:
            if smallest == largest == 0:
                return predicate == 0
            return (predicate == 1) if smallest > 0 or largest < 0 else None
        case 2:
            return True if largest < 0 else False if smallest >= 0 else None
        case 3:
            return True if largest <= 0 else False if smallest > 0 else None
        case 4:
            return True if smallest > 0 else False if largest <= 0 else None
        case 5:
            return True if smallest >= 0 else False if largest < 0 else None
        case _:
            return None


def _fits(rw: Rewriter, form: Affine, shape: Sequence[Dim], dtype: str) -> bool:
    """True when no element leaves the range of the dtype, so that the arithmetic did not wrap."""
    low, high = form.extremes(shape)
    limit = 1 << (_BITS.get(dtype, 64) - 1)
    return to_expr(low).bounds(rw.ranges)[0] >= -limit and to_expr(high).bounds(rw.ranges)[1] < limit


def _sum(forms: Sequence[Affine]) -> Affine:
    return forms[0].plus(forms[1])


def _difference(forms: Sequence[Affine]) -> Affine:
    return forms[0].plus(forms[1], -1)


def _product(forms: Sequence[Affine]) -> Affine | None:
    lhs, rhs = forms
    if rhs.splat is not None:
        return lhs.times(rhs.splat)
    return rhs.times(lhs.splat) if lhs.splat is not None else None


_ARITHMETIC: dict[str, Callable[[Sequence[Affine]], Affine | None]] = {
    "arith.addi": _sum,
    "arith.subi": _difference,
    "arith.muli": _product,
    "arith.extsi": lambda forms: forms[0],
    "arith.trunci": lambda forms: forms[0],
    "arith.index_cast": lambda forms: forms[0],
}


def _of_constant(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    elements = rw.attribute(op, "value")
    shape = rw.shape(value)
    if elements.is_splat:
        return Affine(elements.get_splat_value().value, (0,) * len(shape))
    return affine_of_array(tw.elements_to_array(elements))


def affine_of_array(array: np.ndarray) -> Affine | None:
    """The affine form of the integers of an array, None when they have none."""
    if array.size == 0:
        return None
    first = array[(0,) * array.ndim]
    coefficients: list[int] = []
    expected = np.asarray(first)
    for axis, size in enumerate(array.shape):
        step = 0
        if size > 1:
            step = int(array[(0,) * axis + (1,) + (0,) * (array.ndim - axis - 1)]) - int(first)
            line = (np.arange(size, dtype=np.int64) * step).reshape((-1,) + (1,) * (array.ndim - axis - 1))
            expected = expected + line
        coefficients.append(step)
    return Affine(int(first), tuple(coefficients)) if np.array_equal(array, np.broadcast_to(expected, array.shape)) else None


def _of_iota(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine:
    dim, shape = rw.attribute(op, "dim"), rw.shape(value)
    return Affine(0, tuple(int(d == dim and s != 1) for d, s in enumerate(shape)))


def _of_dim(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine:
    return Affine(rw.attribute(op, "expr"), ())


def _of_reshape(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    form = affine(rw, op.operands[0])
    if form is None:
        return None
    before, after = rw.shape(op.operands[0]), rw.shape(value)
    if not form.varying:
        return Affine(form.offset, (0,) * len(after))
    if [d for d in before if d != 1] != [d for d in after if d != 1]:
        return None
    moved = iter([c for c, d in zip(form.coefficients, before) if d != 1])
    return Affine(form.offset, tuple(0 if d == 1 else next(moved) for d in after))


def _of_broadcast(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    form = affine(rw, op.operands[0])
    rank = len(rw.shape(value))
    return None if form is None else Affine(form.offset, (0,) * (rank - len(form.coefficients)) + form.coefficients)


def _of_transpose(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    form = affine(rw, op.operands[0])
    return None if form is None else Affine(form.offset, tuple(form.coefficients[p] for p in rw.attribute(op, "permutation")))


def _of_slice(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    form = affine(rw, op.operands[0])
    if form is None:
        return None
    attributes = rw.attributes(op)
    offset = to_expr(form.offset)
    for coefficient, start in zip(form.coefficients, attributes["starts"]):
        offset = offset + to_expr(start) * coefficient
    sizes = attributes["sizes"]
    coefficients = tuple(0 if n == 1 else c * t for c, t, n in zip(form.coefficients, attributes["steps"], sizes))
    return Affine(simplify_dim(offset), coefficients)


def _of_concat(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    """Parts that continue one another."""
    dim = rw.attribute(op, "dim")
    forms = [affine(rw, v) for v in op.operands]
    sizes = [rw.shape(v)[dim] for v in op.operands]
    known = [f for f in forms if f is not None]
    if len(known) != len(forms):
        return None
    long = next((f for f, n in zip(known, sizes) if n != 1), None)
    step: Dim = long.coefficients[dim] if long is not None else 0
    if long is None and len(known) > 1:
        step = simplify_dim(to_expr(known[1].offset) - known[0].offset)
    if not isinstance(step, int):
        return None
    start = to_expr(known[0].offset)
    for form, size in zip(known, sizes):
        others = [c for d, c in enumerate(form.coefficients) if d != dim]
        if others != [c for d, c in enumerate(known[0].coefficients) if d != dim] or form.offset != start:
            return None
        if size != 1 and form.coefficients[dim] != step:
            return None
        start = start + to_expr(size) * step
    coefficients = list(known[0].coefficients)
    coefficients[dim] = step if rw.shape(value)[dim] != 1 else 0
    return Affine(known[0].offset, tuple(coefficients))


def _of_gather(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    """An affine table at affine indices: the composition."""
    axes = rw.attribute(op, "axes")
    table = affine(rw, op.operands[0])
    if table is None:
        return None
    rank = len(rw.shape(value))
    before, after = axes[0], len(table.coefficients) - axes[-1] - 1
    index_rank = rank - before - after
    outer = (*table.coefficients[:before], *(0,) * index_rank, *table.coefficients[axes[-1] + 1 :])
    result = Affine(table.offset, outer)
    for axis, index in zip(axes, list(op.operands)[1:]):
        if table.coefficients[axis] == 0:
            continue
        form = affine(rw, index)
        if form is None:
            return None
        padding = (0,) * (index_rank - len(form.coefficients))
        result = result.plus(
            Affine(form.offset, ((0,) * before + padding + form.coefficients + (0,) * after)).times(table.coefficients[axis])
        )
    return result


def _of_scan(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    """The running sum of equal numbers."""
    form = affine(rw, op.operands[0])
    if form is None or form.splat is None or rw.attribute(op, "kind") != "add":
        return None
    dim = rw.attribute(op, "dim")
    return Affine(form.splat, tuple(form.splat if d == dim and n != 1 else 0 for d, n in enumerate(rw.shape(value))))


def _of_pointwise(rw: Rewriter, op: ir.Operation, value: ir.Value) -> Affine | None:
    index = list(op.results).index(value) if len(op.results) > 1 else 0
    return scalar_affine(rw, rw.yields(op)[index], list(op.operands), rw.shape(value))


_FORMS: dict[str, Callable[[Rewriter, ir.Operation, ir.Value], Affine | None]] = {
    "constant": _of_constant, "iota": _of_iota, "dim": _of_dim, "reshape": _of_reshape, "broadcast": _of_broadcast,
    "transpose": _of_transpose, "slice": _of_slice, "concat": _of_concat, "gather": _of_gather, "scan": _of_scan,
    "pointwise": _of_pointwise,
}  # fmt: skip
