"""Sizes of an exported program (sympy expressions over torch's symbols) as `core.symbolic` sizes over s0, s1, ...

sympy is never imported: expressions are read by class name, and each one once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.symbolic import Dim, Expr, call, simplify_dim, symbol, to_expr

LARGEST_SIZE = 2**31 - 1
"""Upper bound of a size for which the export gives none."""

_CALLS = {
    "FloorDiv": "floordiv", "CleanDiv": "floordiv", "IntTrueDiv": "floordiv", "Mod": "mod", "PythonMod": "mod", "CeilDiv": "ceildiv",
    "Max": "max", "Min": "min",
}  # fmt: skip
_ROUNDING = {"FloorToInt": "floordiv", "floor": "floordiv", "TruncToInt": "floordiv", "CeilToInt": "ceildiv", "ceiling": "ceildiv"}


class SymbolTable:
    """Names symbols in order of first appearance and translates sizes.

    `ranges` is `ExportedProgram.range_constraints`: torch's symbol to an object with `lower` and `upper`.
    """

    def __init__(self, ranges: Mapping[Any, Any]) -> None:
        self._torch_ranges = {str(name): bounds for name, bounds in ranges.items()}
        self._names: dict[str, str] = {}
        self._cache: dict[Any, Dim] = {}
        self.ranges: dict[str, tuple[int, int]] = {}

    def dim(self, size: Any) -> Dim:
        """A size: an `int`, a `torch.SymInt` or a sympy expression. Raises UnsupportedError for one that depends on data."""
        if type(size) is int:
            return size
        expression: Any = size.node.expr if hasattr(size, "node") else size
        known = self._cache.get(expression)
        if known is None:
            known = simplify_dim(self._translate(expression))
            self._cache[expression] = known
        return known

    def torch_name(self, name: str) -> str:
        """The exporter's name of one of our symbols."""
        return next((theirs for theirs, ours in self._names.items() if ours == name), name)

    def _symbol(self, name: str) -> Expr:
        if name not in self._names:
            if name.startswith(("u", "zuf")):
                raise UnsupportedError(
                    f"the size {name} depends on the values of a tensor, not on the input shapes",
                    remedy="compute such sizes (from .item(), nonzero, a boolean mask, unique) outside of the model",
                )
            ours = f"s{len(self._names)}"
            self._names[name] = ours
            bounds = self._torch_ranges.get(name)
            low = 0 if bounds is None else _bound(bounds.lower, 0)
            high = LARGEST_SIZE if bounds is None else _bound(bounds.upper, LARGEST_SIZE)
            self.ranges[ours] = (max(low, 0), min(high, LARGEST_SIZE))
        return symbol(self._names[name])

    def _translate(self, expression: Any) -> Dim:
        kind = type(expression).__name__
        args = expression.args
        if expression.is_Symbol:
            return self._symbol(str(expression))
        if expression.is_Integer:
            return int(expression)
        if kind == "Add":
            return sum((to_expr(self._translate(a)) for a in args), to_expr(0))
        if kind == "Mul":
            return self._quotient(expression, "floordiv")
        if kind == "Pow" and args[1].is_Integer and int(args[1]) > 0:
            result = to_expr(1)
            for _ in range(int(args[1])):
                result = result * self._translate(args[0])
            return result
        if kind in _CALLS:
            result = self._translate(args[0])
            for other in args[1:]:
                result = self._call(_CALLS[kind], result, self._translate(other))
            return result
        if kind in _ROUNDING:
            return self._quotient(args[0], _ROUNDING[kind])
        if kind in ("ToFloat", "Identity"):
            return self._translate(args[0])
        raise UnsupportedError(f"the size {expression} uses {kind}", remedy="sizes may use + - * // % min max")

    def _call(self, name: str, lhs: Dim, rhs: Dim) -> Dim:
        """A function of two sizes; the ranges of the symbols may decide which one a maximum or minimum is."""
        if name in ("max", "min"):
            low, high = (to_expr(lhs) - rhs).bounds(self.ranges)
            if low >= 0 or high <= 0:
                return lhs if (low >= 0) == (name == "max") else rhs
        return call(name, lhs, rhs)

    def _quotient(self, expression: Any, rounding: str) -> Dim:
        """A product that may hold a rational factor or a division; the division is done last, rounded as said."""
        numerator, denominator = to_expr(1), to_expr(1)
        for factor in expression.args if type(expression).__name__ == "Mul" else (expression,):
            if factor.is_Rational and not factor.is_Integer:
                numerator, denominator = numerator * int(factor.p), denominator * int(factor.q)
            elif type(factor).__name__ in ("IntTrueDiv", "FloatTrueDiv"):
                numerator = numerator * self._translate(factor.args[0])
                denominator = denominator * self._translate(factor.args[1])
            elif type(factor).__name__ == "Pow" and factor.args[1].is_Integer and int(factor.args[1]) < 0:
                for _ in range(-int(factor.args[1])):
                    denominator = denominator * self._translate(factor.args[0])
            else:
                numerator = numerator * self._translate(factor)
        return numerator if denominator == 1 else call(rounding, numerator, denominator)


def _bound(value: Any, default: int) -> int:
    """A finite bound as a number; infinities give the default."""
    return int(value) if isinstance(value, int) or getattr(value, "is_Integer", False) else default


def is_symbolic(value: object) -> bool:
    """True for `torch.SymInt`, `SymFloat` and `SymBool`."""
    return hasattr(value, "node") and type(value).__name__ in ("SymInt", "SymFloat", "SymBool")


def decide(condition: Any, table: SymbolTable) -> bool | None:
    """The truth of a symbolic condition when the ranges of the symbols prove it, else None."""
    expression = condition.node.expr if hasattr(condition, "node") else condition
    kind = type(expression).__name__
    if kind in ("BooleanTrue", "BooleanFalse", "bool"):
        return bool(expression)
    comparisons: dict[str, Callable[[int, int], bool | None]] = {
        "Equality": lambda low, high: True if low == high == 0 else False if low > 0 or high < 0 else None,
        "Unequality": lambda low, high: False if low == high == 0 else True if low > 0 or high < 0 else None,
        "StrictLessThan": lambda low, high: True if high < 0 else False if low >= 0 else None,
        "LessThan": lambda low, high: True if high <= 0 else False if low > 0 else None,
        "StrictGreaterThan": lambda low, high: True if low > 0 else False if high <= 0 else None,
        "GreaterThan": lambda low, high: True if low >= 0 else False if high < 0 else None,
    }
    if kind not in comparisons:
        return None
    lhs, rhs = expression.args
    difference = to_expr(table.dim(lhs)) - table.dim(rhs)
    return comparisons[kind](*difference.bounds(table.ranges))
