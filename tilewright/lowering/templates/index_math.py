"""Index arithmetic that folds: an index is a Python `int` as long as it is known, and an SSA value of type `index` after that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Atom, Dim, parse_dim

Index = int | ir.Value
"""A known or a computed index."""


class IndexMath:
    """Emits `arith` on indices at the current insertion point. Every operand is non-negative, so division is unsigned.

    `symbols` gives the value of each symbol that `dim` may meet.
    """

    def __init__(self, symbols: Mapping[str, ir.Value]) -> None:
        self.symbols = dict(symbols)
        self.type = ir.IndexType.get()

    def value(self, index: Index) -> ir.Value:
        """An SSA value for `index`."""
        return arith.constant(self.type, index) if isinstance(index, int) else index

    def values(self, indices: Sequence[Index]) -> list[ir.Value]:
        return [self.value(i) for i in indices]

    def add(self, lhs: Index, rhs: Index) -> Index:
        if isinstance(lhs, int) and isinstance(rhs, int):
            return lhs + rhs
        if lhs == 0:
            return rhs
        if rhs == 0:
            return lhs
        return arith.addi(self.value(lhs), self.value(rhs))

    def sub(self, lhs: Index, rhs: Index) -> Index:
        if isinstance(lhs, int) and isinstance(rhs, int):
            return lhs - rhs
        return lhs if rhs == 0 else arith.subi(self.value(lhs), self.value(rhs))

    def mul(self, lhs: Index, rhs: Index) -> Index:
        if isinstance(lhs, int) and isinstance(rhs, int):
            return lhs * rhs
        for a, b in ((lhs, rhs), (rhs, lhs)):
            if isinstance(a, int) and a in (0, 1):
                return b if a else 0
        return arith.muli(self.value(lhs), self.value(rhs))

    def div(self, lhs: Index, rhs: Index) -> Index:
        """`lhs / rhs` rounded down."""
        if isinstance(lhs, int) and isinstance(rhs, int):
            return lhs // rhs
        return lhs if rhs == 1 else arith.divui(self.value(lhs), self.value(rhs))

    def rem(self, lhs: Index, rhs: Index) -> Index:
        if isinstance(lhs, int) and isinstance(rhs, int):
            return lhs % rhs
        return 0 if rhs == 1 else arith.remui(self.value(lhs), self.value(rhs))

    def ceildiv(self, lhs: Index, rhs: Index) -> Index:
        """`lhs / rhs` rounded up, for `lhs + rhs` within range."""
        return self.div(self.add(lhs, self.sub(rhs, 1)), rhs)

    def round_up(self, index: Index, multiple: int) -> Index:
        return self.mul(self.ceildiv(index, multiple), multiple)

    def min(self, lhs: Index, rhs: Index) -> Index:
        if isinstance(lhs, int) and isinstance(rhs, int):
            return min(lhs, rhs)
        return arith.minsi(self.value(lhs), self.value(rhs))

    def max(self, lhs: Index, rhs: Index) -> Index:
        if isinstance(lhs, int) and isinstance(rhs, int):
            return max(lhs, rhs)
        return arith.maxsi(self.value(lhs), self.value(rhs))

    def compare(self, predicate: str, lhs: Index, rhs: Index) -> ir.Value:
        """An `i1`: signed `lt`, `le`, `gt`, `ge`, or `eq`, `ne`."""
        name = predicate if predicate in ("eq", "ne") else f"s{predicate}"
        return arith.cmpi(getattr(arith.CmpIPredicate, name), self.value(lhs), self.value(rhs))

    def select(self, condition: ir.Value, then: Index, otherwise: Index) -> Index:
        if isinstance(then, int) and then == otherwise:
            return then
        return arith.select(condition, self.value(then), self.value(otherwise))

    def delinearize(self, index: Index, sizes: Sequence[Index]) -> list[Index]:
        """Coordinates of `index` in a row-major space; the outermost size is not needed and taken as unbounded."""
        coordinates: list[Index] = []
        for size in reversed(sizes[1:]):
            coordinates.insert(0, self.rem(index, size))
            index = self.div(index, size)
        return [index, *coordinates] if sizes else []

    def dim(self, size: Dim) -> Index:
        """The value of a size expression."""
        if isinstance(size, int):
            return size
        total: Index = 0
        for monomial, factor in size.terms.items():
            product: Index = abs(factor)
            for atom in monomial:
                product = self.mul(product, self._atom(atom))
            total = self.sub(total, product) if factor < 0 else self.add(total, product)
        return total

    def _atom(self, atom: Atom) -> Index:
        if not atom.args:
            return self.symbols[atom.name]
        lhs, rhs = (self.dim(parse_dim(text)) for text in atom.args)
        emit = {"floordiv": self.div, "mod": self.rem, "ceildiv": self.ceildiv, "max": self.max, "min": self.min}[atom.name]
        return emit(lhs, rhs)
