"""Symbolic sizes: integer expressions over named symbols, in a canonical form.

An expression is a sum of monomials; a monomial is an integer coefficient times a product of *atoms*. An atom is a symbol or a
call that polynomials cannot express (`a // b`, `a % b`, `max`, `min`, `ceildiv`) with canonical arguments. Two expressions are
equal as polynomials exactly when their strings are equal, so sizes are compared as types are compared.

    >>> s0, s1 = symbol("s0"), symbol("s1")
    >>> str((s0 + 1) * s1 - s1)
    's0*s1'
    >>> parse("2*s0 + s1*s0").evaluate({"s0": 3, "s1": 5})
    21
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Monomial = tuple["Atom", ...]
Ranges = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, order=True)
class Atom:
    """A factor: a symbol (`args` empty) or a call `name(args)` that has no polynomial form."""

    name: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.args:
            return self.name
        return f"{self.name}({', '.join(self.args)})"


_CALLS: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "ceildiv": lambda a, b: -(-a // b),
    "max": max,
    "min": min,
}


class Expr:
    """An immutable integer expression in canonical form. Build it with `symbol`, `parse` and the operators."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms: dict[Monomial, int] = {m: c for m, c in sorted(terms.items()) if c}
        self._hash = hash(tuple(self.terms.items()))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.constant() == other
        return isinstance(other, Expr) and self.terms == other.terms

    def __hash__(self) -> int:
        value = self.constant()
        return self._hash if value is None else hash(value)

    def constant(self) -> int | None:
        """The value, if the expression is a number."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and () in self.terms:
            return self.terms[()]
        return None

    def __add__(self, other: Dim) -> Expr:
        terms = dict(self.terms)
        for monomial, factor in to_expr(other).terms.items():
            terms[monomial] = terms.get(monomial, 0) + factor
        return Expr(terms)

    __radd__ = __add__

    def __neg__(self) -> Expr:
        return Expr({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Dim) -> Expr:
        return self + (-to_expr(other))

    def __rsub__(self, other: Dim) -> Expr:
        return to_expr(other) - self

    def __mul__(self, other: Dim) -> Expr:
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms.items():
            for m2, c2 in to_expr(other).terms.items():
                product = tuple(sorted(m1 + m2))
                terms[product] = terms.get(product, 0) + c1 * c2
        return Expr(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: Dim) -> Expr:
        return to_expr(call("floordiv", self, other))

    def __mod__(self, other: Dim) -> Expr:
        return to_expr(call("mod", self, other))

    def divide_exactly(self, divisor: Dim) -> Expr | None:
        """`self / divisor` when the division is provably exact for every value of the symbols; otherwise None."""
        divisor = to_expr(divisor)
        if len(divisor.terms) != 1:
            return Expr({(): 1}) if self.terms and self == divisor else None
        ((monomial, factor),) = divisor.terms.items()
        quotient: dict[Monomial, int] = {}
        for own, coefficient in self.terms.items():
            rest = list(own)
            for atom in monomial:
                if atom not in rest:
                    return None
                rest.remove(atom)
            if coefficient % factor:
                return None
            quotient[tuple(rest)] = coefficient // factor
        return Expr(quotient)

    def symbols(self) -> set[str]:
        """Names of all symbols in the expression."""
        return {name for m in self.terms for atom in m for name in _atom_symbols(atom)}

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The value for given symbols. Raises KeyError when a symbol has no value."""
        total = 0
        for monomial, factor in self.terms.items():
            for atom in monomial:
                factor *= _evaluate_atom(atom, values)
            total += factor
        return total

    def substitute(self, values: Mapping[str, Dim]) -> Expr:
        """The expression with symbols replaced by expressions."""
        total = Expr({})
        for monomial, factor in self.terms.items():
            product = Expr({(): factor})
            for atom in monomial:
                if atom.args:
                    replaced = call(atom.name, *(parse(a).substitute(values) for a in atom.args))
                else:
                    replaced = values.get(atom.name, Expr({(atom,): 1}))
                product = product * replaced
            total = total + product
        return total

    def bounds(self, ranges: Ranges) -> tuple[int, int]:
        """An interval that contains every value, for symbols in inclusive `ranges` (a symbol without a range is 0 to 2^31)."""
        low = high = 0
        for monomial, factor in self.terms.items():
            lo = hi = factor
            for atom in monomial:
                a, b = _atom_bounds(atom, ranges)
                corners = (lo * a, lo * b, hi * a, hi * b)
                lo, hi = min(corners), max(corners)
            low, high = low + lo, high + hi
        return low, high

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = ""
        for monomial in sorted(self.terms, key=lambda m: (-len(m), m)):
            factor = self.terms[monomial]
            factors = [str(a) for a in monomial]
            if abs(factor) != 1 or not factors:
                factors.insert(0, str(abs(factor)))
            sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
            text += sign + "*".join(factors)
        return text

    def __repr__(self) -> str:
        return f"Expr({str(self)!r})"


Dim = int | Expr
"""A size: a number or an expression."""


def symbol(name: str) -> Expr:
    """The expression that is the symbol `name` (letters, digits and underscores)."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"not a symbol name: {name!r}")
    return Expr({(Atom(name),): 1})


def to_expr(value: Dim) -> Expr:
    """`value` as an expression."""
    return value if isinstance(value, Expr) else Expr({(): value} if value else {})


def simplify_dim(value: Dim) -> Dim:
    """`value` as an `int` if it is a number."""
    if isinstance(value, int):
        return value
    constant = value.constant()
    return value if constant is None else constant


def call(name: str, lhs: Dim, rhs: Dim) -> Dim:
    """`floordiv`, `mod`, `ceildiv`, `max` or `min` of two sizes, folded where the result is provable."""
    lhs, rhs = to_expr(lhs), to_expr(rhs)
    a, b = lhs.constant(), rhs.constant()
    if name in ("floordiv", "mod", "ceildiv") and b == 0:
        raise ValueError(f"division by zero in {name}({lhs}, 0)")
    if a is not None and b is not None:
        return _CALLS[name](a, b)
    if name in ("floordiv", "ceildiv", "mod"):
        quotient = lhs.divide_exactly(rhs)
        if quotient is not None:
            return 0 if name == "mod" else simplify_dim(quotient)
    if name in ("max", "min"):
        if lhs == rhs:
            return lhs
        if str(rhs) < str(lhs):
            lhs, rhs = rhs, lhs
    return Expr({(Atom(name, (str(lhs), str(rhs))),): 1})


def ceildiv(lhs: Dim, rhs: Dim) -> Dim:
    """`lhs / rhs` rounded up."""
    return call("ceildiv", lhs, rhs)


def product(sizes: Iterable[Dim]) -> Dim:
    """The product of sizes: the number of elements of a shape."""
    total: Dim = 1
    for size in sizes:
        total = size * total if isinstance(size, Expr) else total * size
    return simplify_dim(total)


@functools.lru_cache(maxsize=65536)
def parse(text: str) -> Expr:
    """Read an expression. Raises ValueError, naming the text, when it is not one."""
    try:
        return to_expr(_from_ast(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"not a size expression: {text!r} ({error})") from error


def parse_dim(text: str) -> Dim:
    """Read a size: a number becomes an `int`."""
    return simplify_dim(parse(text))


_BINARY: dict[type[ast.operator], Callable[[Expr, Expr], Dim]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: call("floordiv", a, b),
    ast.Mod: lambda a, b: call("mod", a, b),
}


def _from_ast(node: ast.expr) -> Dim:
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -to_expr(_from_ast(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](to_expr(_from_ast(left)), to_expr(_from_ast(right)))
        case ast.Call(func=ast.Name(id=name), args=[lhs, rhs], keywords=[]) if name in _CALLS:
            return call(name, _from_ast(lhs), _from_ast(rhs))
        case _:
            raise ValueError(f"unsupported syntax {ast.dump(node)[:60]}")


def _atom_symbols(atom: Atom) -> set[str]:
    if not atom.args:
        return {atom.name}
    return {name for text in atom.args for name in parse(text).symbols()}


def _evaluate_atom(atom: Atom, values: Mapping[str, int]) -> int:
    if not atom.args:
        return values[atom.name]
    lhs, rhs = (parse(text).evaluate(values) for text in atom.args)
    return _CALLS[atom.name](lhs, rhs)


def _atom_bounds(atom: Atom, ranges: Ranges) -> tuple[int, int]:
    if not atom.args:
        return ranges.get(atom.name, (0, 2**31))
    (a, b), (c, d) = (parse(text).bounds(ranges) for text in atom.args)
    if atom.name == "max":
        return max(a, c), max(b, d)
    if atom.name == "min":
        return min(a, c), min(b, d)
    if atom.name == "mod" and c > 0:
        return 0, d - 1
    if c > 0:
        corners = [_CALLS[atom.name](x, y) for x in (a, b) for y in (c, d)]
        return min(corners), max(corners)
    return -(2**62), 2**62
