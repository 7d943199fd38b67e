"""Size expressions of the manifest: a small parser and evaluator (nothing is ever given to Python's `eval`).

Grammar: integers, names, `+ - * // %`, unary minus, parentheses, and the calls `floordiv mod ceildiv max min` of two arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

Evaluator = Callable[[Sequence[int]], int]
"""Computes a size from the values of the symbols, in the manifest's order of symbols."""

MAX_LENGTH = 4096
MAX_DEPTH = 64
_TOKEN = re.compile(r"\s*(?:(\d{1,18})|([A-Za-z_]\w*)|(//|[-+*%(),]))")


def _floordiv(lhs: int, rhs: int) -> int:
    return lhs // rhs


def _mod(lhs: int, rhs: int) -> int:
    return lhs % rhs


def _ceildiv(lhs: int, rhs: int) -> int:
    return -(-lhs // rhs)


_CALLS: dict[str, Callable[[int, int], int]] = {"floordiv": _floordiv, "mod": _mod, "ceildiv": _ceildiv, "max": max, "min": min}
_PRODUCTS: dict[str, Callable[[int, int], int]] = {"*": lambda a, b: a * b, "//": _floordiv, "%": _mod}
_SUMS: dict[str, Callable[[int, int], int]] = {"+": lambda a, b: a + b, "-": lambda a, b: a - b}


def compile_expression(text: str, symbols: Mapping[str, int]) -> Evaluator:
    """A function for `text`; `symbols` maps each known name to its position. Raises ValueError for what is not an expression."""
    return _Parser(text, symbols).parse()


class _Parser:
    def __init__(self, text: str, symbols: Mapping[str, int]) -> None:
        if len(text) > MAX_LENGTH:
            raise ValueError(f"size expression of {len(text)} characters, at most {MAX_LENGTH} are allowed")
        self.text = text
        self.symbols = symbols
        self.tokens = self._split(text)
        self.at = 0
        self.depth = 0

    def parse(self) -> Evaluator:
        result = self._sum()
        if self.at != len(self.tokens):
            raise self._error()
        return result

    def _split(self, text: str) -> list[str]:
        tokens: list[str] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"not a size expression: {text[:80]!r}")
            tokens.append(match[match.lastindex or 0])
            position = match.end()
        return tokens

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise self._error()
        self.at += 1
        return token

    def _error(self) -> ValueError:
        return ValueError(f"not a size expression: {self.text[:80]!r}, near {self._peek()!r}")

    def _chain(self, operand: Callable[[], Evaluator], operators: Mapping[str, Callable[[int, int], int]]) -> Evaluator:
        result = operand()
        while self._peek() in operators:
            result = _binary(operators[self._take()], result, operand())
        return result

    def _sum(self) -> Evaluator:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"size expression nested deeper than {MAX_DEPTH}: {self.text[:80]!r}")
        result = self._chain(lambda: self._chain(self._factor, _PRODUCTS), _SUMS)
        self.depth -= 1
        return result

    def _factor(self) -> Evaluator:
        negative = False
        while self._peek() == "-":
            self._take()
            negative = not negative
        value = self._primary()
        return (lambda values: -value(values)) if negative else value

    def _primary(self) -> Evaluator:
        token = self._take()
        if token == "(":
            inner = self._sum()
            self._take(")")
            return inner
        if token.isdigit():
            number = int(token)
            return lambda values: number
        if token in _CALLS and self._peek() == "(":
            self._take("(")
            lhs = self._sum()
            self._take(",")
            rhs = self._sum()
            self._take(")")
            return _binary(_CALLS[token], lhs, rhs)
        if token in self.symbols:
            position = self.symbols[token]
            return lambda values: values[position]
        if token.isidentifier():
            raise ValueError(f"unknown symbol {token!r} in {self.text[:80]!r}")
        raise self._error()


def _binary(function: Callable[[int, int], int], lhs: Evaluator, rhs: Evaluator) -> Evaluator:
    return lambda values: function(lhs(values), rhs(values))
