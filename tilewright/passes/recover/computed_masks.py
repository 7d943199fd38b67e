"""Masks `[.., Q, K]` as scalar expressions over positions and tensors that are smaller."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, product
from tilewright.dialects import tw
from tilewright.passes.affine import Affine, affine, splat
from tilewright.passes.rewrite import Rewriter
from tilewright.passes.scalars import Scalar, walk

MAX_COST = 64
"""Largest number of scalar ops that are computed again for every score; those of `math` count as eight."""

Placed = tuple[int, ...]
"""For each dimension of a tensor the dimension of the scores that it runs along, -1 for one of size 1."""


@dataclass
class Absorbed:
    """A mask as an expression over the arguments of a score region, and the score inputs that it reads."""

    scalar: Scalar
    inputs: list[ir.Value]


def absorb(rw: Rewriter, op: ir.Operation, mask: ir.Value) -> Absorbed | None:
    """The mask of an attention as part of its region, None for one that is a tensor to be read in any case.

    Nothing is absorbed that has to be read at the size of the mask: then reading the mask itself is cheaper.
    """
    groups = rw.groups(op)
    walker = _Walker(rw, (*rw.shape(groups["q"])[:3], rw.shape(groups["k"])[2]))
    placed = walker.placed(mask)
    if not _is_wide(placed):
        return None
    scalar = walker.scalar(mask, placed)
    if scalar.is_argument or walker.reads_as_much_as(mask):
        return None
    cost = sum(8 if s.name.startswith("math.") else bool(s.args) for s in walk([scalar]))
    return Absorbed(scalar, walker.built()) if cost <= MAX_COST else None


def _is_wide(placed: Placed) -> bool:
    """True for a tensor that runs along queries and keys."""
    return 2 in placed and 3 in placed


class _Walker:
    """Follows a mask up to what it is computed from."""

    def __init__(self, rw: Rewriter, shape: tuple[Dim, ...]) -> None:
        self.rw = rw
        self.shape = shape
        self.inputs: list[tuple[ir.Value | None, tuple[Dim, ...]]] = []
        """Tensors and the shapes under which they are read; None and one expression for a size."""
        self._wide: list[ir.Value] = []
        self._known: dict[tuple[ir.Value, Placed], Scalar] = {}

    def placed(self, mask: ir.Value) -> Placed:
        shape = self.rw.shape(mask)
        return tuple(-1 if size == 1 else i + 4 - len(shape) for i, size in enumerate(shape))

    def reads_as_much_as(self, mask: ir.Value) -> bool:
        """True when an input has as many elements as the mask."""
        size = product(self.rw.shape(mask))
        return any(product(self.rw.shape(v)) == size for v in self._wide)

    def built(self) -> list[ir.Value]:
        """The score inputs. They are built only when it is known that they are used."""
        return [self.rw.build("dim", expr=shape[0]) if value is None else self.rw.reshape(value, shape) for value, shape in self.inputs]

    def scalar(self, value: ir.Value, placed: Placed) -> Scalar:
        key = (value, placed)
        if key not in self._known:
            self._known[key] = self._scalar(value, placed)
        return self._known[key]

    def _scalar(self, value: ir.Value, placed: Placed) -> Scalar:
        rw = self.rw
        dtype = rw.info(value).dtype
        number = splat(rw, value)
        if number is not None:
            return rw.scalars.constant(number, dtype)
        form = affine(rw, value)
        if form is not None:
            return self._position(form, placed, dtype)
        op = rw.producer(value)
        if op is None or not _is_wide(placed):
            return self._input(value, placed)
        match tw.short_name(op):
            case "pointwise":
                return self._pointwise(op, value, placed)
            case "broadcast":
                source = rw.shape(op.operands[0])
                inner = placed[len(placed) - len(source) :]
                return self.scalar(op.operands[0], tuple(-1 if size == 1 else p for size, p in zip(source, inner)))
            case "reshape":
                inner = self._reshaped(rw.shape(op.operands[0]), rw.shape(value), placed)
                return self._input(value, placed) if inner is None else self.scalar(op.operands[0], inner)
            case _:
                return self._input(value, placed)

    def _reshaped(self, before: tuple[Dim, ...], after: tuple[Dim, ...], placed: Placed) -> Placed | None:
        """The places of dimensions before a reshape that only adds or removes dimensions of size 1."""
        if [d for d in before if d != 1] != [d for d in after if d != 1]:
            return None
        moved = iter([p for p, d in zip(placed, after) if d != 1])
        return tuple(-1 if d == 1 else next(moved) for d in before)

    def _pointwise(self, op: ir.Operation, value: ir.Value, placed: Placed) -> Scalar:
        t, rw = self.rw.scalars, self.rw
        arguments: dict[Scalar, Scalar] = {}
        for i, operand in enumerate(op.operands):
            shape = rw.shape(operand)
            inner = placed[len(placed) - len(shape) :]
            own = tuple(-1 if size == 1 else p for size, p in zip(shape, inner))
            arguments[t.argument(i, rw.info(operand).dtype)] = self.scalar(operand, own)
        return t.substitute(rw.yields(op)[list(op.results).index(value)], arguments)

    def _position(self, form: Affine, placed: Placed, dtype: str) -> Scalar:
        """An affine function of the indices, in i64."""
        t = self.rw.scalars
        total: Scalar | None = None
        for coefficient, place in zip(form.coefficients, placed):
            if coefficient and place >= 0:
                index = t.argument(place + 1, "i64")
                term = index if coefficient == 1 else t.arith("muli", index, t.constant(coefficient, "i64"))
                total = term if total is None else t.arith("addi", total, term)
        if isinstance(form.offset, Expr):
            offset = self._argument(None, (form.offset,), "i64")
            total = offset if total is None else t.arith("addi", total, offset)
        elif form.offset or total is None:
            number = t.constant(form.offset, "i64")
            total = number if total is None else t.arith("addi", total, number)
        return total if dtype == "i64" else t.apply("arith.trunci", (total,), dtype)

    def _input(self, value: ir.Value, placed: Placed) -> Scalar:
        """An element of a tensor that is read: with its dimensions in their places."""
        sizes = dict(zip(placed, self.rw.shape(value)))
        first = min((p for p in placed if p >= 0), default=4)
        if _is_wide(placed):
            self._wide.append(value)
        shape = tuple(sizes.get(p, 1) for p in range(first, 4))
        return self._argument(value, shape, self.rw.info(value).dtype)

    def _argument(self, value: ir.Value | None, shape: tuple[Dim, ...], dtype: str) -> Scalar:
        if (value, shape) not in self.inputs:
            self.inputs.append((value, shape))
        return self.rw.scalars.argument(5 + self.inputs.index((value, shape)), dtype)
