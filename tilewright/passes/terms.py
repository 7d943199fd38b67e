"""A program as expression trees, on which patterns are matched.

A term is a tensor, or a scalar expression inside a pointwise region; arguments of a region are the terms of its operands. So a pattern
reads the same whether a computation stands in one region or is spread over several ops:

```python
t = term(rw, value)
if t.name == "math.rsqrt" and t.args[0].name == "arith.addf": ...
```
"""

from __future__ import annotations

from collections.abc import Iterator

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.passes.affine import splat
from tilewright.passes.rewrite import Rewriter
from tilewright.passes.scalars import Scalar, arguments_in

_FLOAT_CASTS = ("arith.extf", "arith.truncf")


class Term:
    """`name` is that of the `tw` or scalar op, `input` for an argument of the function, `constant` for one number everywhere.

    `op` is the tensor op that computes the term, `scalar` the expression in its region, `value` the tensor, where there is one.
    """

    __slots__ = ("_args", "name", "number", "op", "rw", "scalar", "value")

    def __init__(
        self,
        rw: Rewriter,
        name: str,
        op: ir.Operation | None = None,
        value: ir.Value | None = None,
        scalar: Scalar | None = None,
        number: float | None = None,
    ) -> None:
        self.rw = rw
        self.name = name
        self.op = op
        self.value = value
        self.scalar = scalar
        self.number = number
        self._args: tuple[Term, ...] | None = None

    @property
    def args(self) -> tuple[Term, ...]:
        if self._args is None:
            if self.op is None:
                self._args = ()
            elif self.scalar is not None:
                self._args = tuple(_of_scalar(self.rw, self.op, a) for a in self.scalar.args)
            else:
                self._args = tuple(term(self.rw, v) for v in self.op.operands)
        return self._args

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The shape that the term has by itself, before it broadcasts to that of its region."""
        if self.value is not None:
            return self.rw.shape(self.value)
        if self.op is None or self.scalar is None:
            return ()
        operands = list(self.op.operands)
        return tw.broadcast_shapes([self.rw.shape(operands[i]) for i in arguments_in([self.scalar])]) or ()

    @property
    def dtype(self) -> str:
        if self.scalar is not None:
            return self.scalar.dtype
        return self.rw.info(self.value).dtype if self.value is not None else ""

    def same(self, other: Term) -> bool:
        """True when both are the same computation."""
        if self.value is not None and other.value is not None and self.value == other.value:
            return True
        if self.name != other.name:
            return False
        if self.name == "constant":
            return self.number == other.number
        if self.scalar is None or other.scalar is None or self.scalar.attributes != other.scalar.attributes:
            return False
        return len(self.args) == len(other.args) and all(a.same(b) for a, b in zip(self.args, other.args))

    def tensor(self) -> ir.Value:
        """The term as a tensor of its own shape; a part of a region is computed by a new op."""
        if self.value is not None:
            return self.value
        assert self.op is not None and self.scalar is not None
        operands = list(self.op.operands)
        used = sorted(arguments_in([self.scalar]))
        table = self.rw.scalars
        renamed = {
            table.argument(old, self.rw.info(operands[old]).dtype): table.argument(new, self.rw.info(operands[old]).dtype)
            for new, old in enumerate(used)
        }
        scalar = table.substitute(self.scalar, renamed)
        return self.rw.pointwise([operands[i] for i in used], [scalar], self.shape, self.op.location)[0]

    def is_op(self, *names: str) -> bool:
        """True for these `tw` ops (short names)."""
        return self.name.startswith("tw.") and self.name[3:] in names

    def commuted(self, name: str) -> Iterator[tuple[Term, Term]]:
        """The operands of the scalar op `name` in both orders; nothing for another op."""
        if self.name == name:
            lhs, rhs = self.args
            yield lhs, rhs
            yield rhs, lhs


def term(rw: Rewriter, value: ir.Value) -> Term:
    """The term of a tensor."""
    op = rw.producer(value)
    if op is None:
        return Term(rw, "input", value=value)
    if tw.short_name(op) == "pointwise":
        index = list(op.results).index(value) if len(op.results) > 1 else 0
        scalar = rw.yields(op)[index]
        if scalar.args:
            return Term(rw, scalar.name, op, value, scalar)
        return _of_scalar(rw, op, scalar)
    number = splat(rw, value) if tw.short_name(op) == "constant" else None
    return Term(rw, "constant" if number is not None else op.name, op, value, number=number)


def _of_scalar(rw: Rewriter, op: ir.Operation, scalar: Scalar) -> Term:
    if scalar.is_constant:
        return Term(rw, "constant", number=scalar.value)
    if scalar.is_argument:
        return term(rw, op.operands[scalar.index])
    yields = rw.yields(op)
    value = op.results[yields.index(scalar)] if scalar in yields else None
    return Term(rw, scalar.name, op, value, scalar)


def without_casts(t: Term) -> Term:
    """The term under casts between float types."""
    while t.name in _FLOAT_CASTS:
        t = t.args[0]
    return t


def with_dtype(t: Term, dtype: str) -> Term | None:
    """The term itself, or what it is a cast of, in element type `dtype`."""
    while t.dtype != dtype:
        if t.name not in _FLOAT_CASTS:
            return None
        t = t.args[0]
    return t


def factors(t: Term, whole: Term | None = None) -> list[Term]:
    """The factors of a product, casts between float types ignored; `whole` is not taken apart.

    The divisor of a division by a square root is listed as the `math.sqrt` that it is: see `inverse_root`.
    """
    t = without_casts(t)
    if whole is not None and t.same(whole):
        return [t]
    if t.name == "arith.mulf":
        return [f for a in t.args for f in factors(a, whole)]
    if t.name == "arith.divf" and without_casts(t.args[1]).name == "math.sqrt":
        dividend = t.args[0]
        return [*([] if dividend.number == 1 else factors(dividend, whole)), without_casts(t.args[1])]
    return [t]


def inverse_root(t: Term) -> Term | None:
    """`y` for a factor that is `1 / sqrt(y)` (as `factors` lists them)."""
    return without_casts(t.args[0]) if t.name in ("math.rsqrt", "math.sqrt") else None


def row_reduction(t: Term, kind: str) -> tuple[Term, tuple[int, ...]] | None:
    """The reduced term and the dimensions of a reduction that keeps its dimensions with size 1, or is reshaped to."""
    t = without_casts(t)
    kept = t.shape
    if t.is_op("reshape"):
        t = t.args[0]
    if not t.is_op("reduce") or t.op is None or t.rw.attribute(t.op, "kind") != kind:
        return None
    dims = tuple(sorted(t.rw.attribute(t.op, "dims")))
    source = without_casts(t.args[0])
    full = t.args[0].shape
    if kept != tuple(1 if i in dims else d for i, d in enumerate(full)):
        return None
    return source, dims


def row_mean(t: Term) -> tuple[Term, tuple[int, ...]] | None:
    """The term and the dimensions of which `t` is the mean, dimensions kept: a sum times `1/n` or over `n`."""
    t = without_casts(t)
    for total, count in t.commuted("arith.mulf"):
        if count.number is not None:
            return _mean_of(total, 1.0 / count.number if count.number else 0.0)
    if t.name == "arith.divf" and t.args[1].number is not None:
        return _mean_of(t.args[0], t.args[1].number)
    return None


def _mean_of(total: Term, count: float) -> tuple[Term, tuple[int, ...]] | None:
    found = row_reduction(total, "add")
    if found is None:
        return None
    expected = 1
    reduced = total.args[0] if total.is_op("reshape") else without_casts(total)
    shape = reduced.args[0].shape
    for d in found[1]:
        size = shape[d]
        if not isinstance(size, int):
            return None
        expected *= size
    return found if abs(count - expected) <= 1e-6 * expected else None
