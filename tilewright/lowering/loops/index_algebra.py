"""Simplification of index expressions with known ranges: what turns movement into plain address arithmetic.

Indices are `core.symbolic` expressions over size symbols and loop indices. A loop index ranges over `[0, size)` with a size that may
itself be symbolic, so bounds are expressions too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tilewright.core.symbolic import Atom, Dim, Expr, Monomial, call, parse, product, simplify_dim, symbol, to_expr

SizeRanges = Mapping[str, tuple[int, int]]


class IndexSpace:
    """The loop indices in scope with their sizes, and the ranges of the size symbols."""

    def __init__(self, size_ranges: SizeRanges) -> None:
        self.size_ranges = dict(size_ranges)
        self.extents: dict[str, tuple[Expr, Expr]] = {}
        self._simplified: dict[Expr, Expr] = {}

    def define(self, name: str, size: Dim, start: Dim = 0) -> Expr:
        """Declare the loop index `name` with `start <= name < start + size` and return it."""
        self.extents[name] = (to_expr(start), to_expr(start) + size - 1)
        self._simplified.clear()
        return symbol(name)

    def redefine(self, name: str, low: Dim, high: Dim) -> None:
        """Narrow the range of `name` to `[low, high]`."""
        self.extents[name] = (to_expr(low), to_expr(high))
        self._simplified.clear()

    def simplify(self, expression: Dim) -> Expr:
        """An equal expression with provable divisions and remainders removed."""
        expression = to_expr(expression)
        if not _has_calls(expression):
            return expression
        if expression not in self._simplified:
            self._simplified[expression] = self._join(self._simplify_atoms(expression))
        return self._simplified[expression]

    def nonnegative(self, expression: Dim) -> bool:
        """Whether the expression is provably at least 0."""
        expression = to_expr(expression)
        constant = expression.constant()
        if constant is not None:
            return constant >= 0
        low = self._extreme(expression, lower=True)
        return low is not None and self._sizes_nonnegative(low)

    def less(self, lhs: Dim, rhs: Dim) -> bool:
        """Whether `lhs < rhs` is provable."""
        return self.nonnegative(to_expr(rhs) - lhs - 1)

    def _sizes_nonnegative(self, expression: Expr) -> bool:
        if all(c >= 0 for c in expression.terms.values()) and all(
            self.size_ranges.get(a.name, (0, 0))[0] >= 0 for m in expression.terms for a in m if not a.args
        ):
            return True
        return expression.bounds(self.size_ranges)[0] >= 0

    def _extreme(self, expression: Expr, lower: bool) -> Expr | None:
        """A bound of the expression over all loop indices, as an expression over sizes. None when there is none."""
        for _ in range(8):
            pending = [m for m in expression.terms if any(self._is_index(a) for a in m)]
            if not pending:
                return expression
            total = Expr({m: c for m, c in expression.terms.items() if m not in pending})
            for monomial in pending:
                coefficient = expression.terms[monomial]
                atoms = [a for a in monomial if self._is_index(a)]
                rest = list(monomial)
                rest.remove(atoms[0])
                bounds = self._atom_bounds(atoms[0])
                if bounds is None:
                    return None
                bound = bounds[0] if (coefficient > 0) == lower else bounds[1]
                total = total + Expr({tuple(rest): coefficient}) * bound
            expression = total
        return None

    def _is_index(self, atom: Atom) -> bool:
        return bool(atom.args) or atom.name in self.extents

    def _atom_bounds(self, atom: Atom) -> tuple[Expr, Expr] | None:
        if not atom.args:
            return self.extents[atom.name]
        lhs, rhs = parse(atom.args[0]), parse(atom.args[1])
        if atom.name == "mod":
            return to_expr(0), rhs - 1
        if atom.name == "floordiv":
            high = self._extreme(lhs, lower=False)
            if high is None or not self.nonnegative(lhs):
                return None
            exact = (high + 1).divide_exactly(rhs)
            return (to_expr(0), exact - 1) if exact is not None else (to_expr(0), high)
        if not any(name in self.extents for name in (lhs - rhs).symbols()):
            return Expr({(atom,): 1}), Expr({(atom,): 1})
        return None

    def _simplify_atoms(self, expression: Expr) -> Expr:
        total = Expr({})
        for monomial, coefficient in expression.terms.items():
            factor = Expr({(): coefficient})
            for atom in monomial:
                factor = factor * (self._simplify_call(atom) if atom.args else Expr({(atom,): 1}))
            total = total + factor
        return total

    def _simplify_call(self, atom: Atom) -> Expr:
        lhs, rhs = self.simplify(parse(atom.args[0])), self.simplify(parse(atom.args[1]))
        if atom.name not in ("floordiv", "mod"):
            return to_expr(call(atom.name, lhs, rhs))
        quotient, remainder = Expr({}), Expr({})
        for monomial, coefficient in lhs.terms.items():
            term = Expr({monomial: coefficient})
            exact = term.divide_exactly(rhs)
            if exact is not None:
                quotient = quotient + exact
                continue
            divisor = rhs.constant()
            if divisor is not None and not monomial and coefficient >= divisor > 0:
                quotient, term = quotient + coefficient // divisor, to_expr(coefficient % divisor)
            remainder = remainder + term
        if self.nonnegative(remainder) and self.less(remainder, rhs):
            return quotient if atom.name == "floordiv" else remainder
        if not self.nonnegative(remainder):
            return to_expr(call(atom.name, lhs, rhs))
        if atom.name == "floordiv":
            return quotient + call("floordiv", remainder, rhs)
        return to_expr(call("mod", remainder, rhs))

    def _join(self, expression: Expr) -> Expr:
        """`b * floordiv(e, b) + mod(e, b)` is `e`."""
        for monomial, coefficient in expression.terms.items():
            for atom in monomial:
                if atom.name != "mod" or not atom.args:
                    continue
                rest = list(monomial)
                rest.remove(atom)
                scale = Expr({tuple(rest): coefficient})
                value, divisor = parse(atom.args[0]), parse(atom.args[1])
                partner = scale * divisor * to_expr(call("floordiv", value, divisor))
                if all(expression.terms.get(m) == c for m, c in partner.terms.items()):
                    joined = expression - partner - Expr({monomial: coefficient}) + scale * value
                    return self._join(self._simplify_atoms(joined))
        return expression


def _has_calls(expression: Expr) -> bool:
    return any(atom.args for monomial in expression.terms for atom in monomial)


def linear_coefficient(expression: Expr, name: str) -> Expr | None:
    """The factor of symbol `name` if the expression is linear in it (0 if it does not occur), else None."""
    coefficient = Expr({})
    for monomial, factor in expression.terms.items():
        own = [a for a in monomial if name in _names(a)]
        if not own:
            continue
        if len(own) > 1 or own[0].args:
            return None
        rest: list[Atom] = list(monomial)
        rest.remove(own[0])
        key: Monomial = tuple(rest)
        coefficient = coefficient + Expr({key: factor})
    return coefficient


def _names(atom: Atom) -> set[str]:
    return Expr({(atom,): 1}).symbols() if atom.args else {atom.name}


def linearize(indices: Sequence[Dim], shape: Sequence[Dim]) -> Expr:
    """The row-major position of `indices` in `shape`."""
    position = Expr({})
    for index, size in zip(indices, shape, strict=True):
        position = position * size + index
    return position


def delinearize(position: Dim, shape: Sequence[Dim]) -> list[Expr]:
    """The indices of a row-major `position` in `shape`; the first index is not reduced modulo its size."""
    indices: list[Expr] = []
    rest = to_expr(position)
    for axis in range(len(shape) - 1, 0, -1):
        indices.append(to_expr(call("mod", rest, shape[axis])) if shape[axis] != 1 else to_expr(0))
        rest = to_expr(call("floordiv", rest, shape[axis])) if shape[axis] != 1 else rest
    if shape:
        indices.append(rest if shape[0] != 1 else to_expr(0))
    return indices[::-1]


def element_count(shape: Sequence[Dim]) -> Dim:
    """Number of elements."""
    return simplify_dim(to_expr(product(shape)))


def reshape_index(space: IndexSpace, index: Sequence[Expr], shape: Sequence[Dim], source: Sequence[Dim]) -> list[Expr]:
    """The index into a tensor of shape `source` of the element that has `index` after it was reshaped to `shape`."""
    kept, wanted = ([str(d) for d in dims if d != 1] for dims in (shape, source))
    if kept == wanted:
        # Only dimensions of size 1 come and go: nothing has to be divided.
        proper = iter([e for e, d in zip(index, shape, strict=True) if d != 1])
        return [to_expr(0) if d == 1 else next(proper) for d in source]
    return delinearize(space.simplify(linearize(index, shape)), source)
