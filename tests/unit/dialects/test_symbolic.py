"""Symbolic sizes: canonical form, text, evaluation, substitution and bounds, on random expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.core.symbolic import Dim, Expr, call, ceildiv, parse, parse_dim, product, simplify_dim, symbol, to_expr

Tree = tuple[str, Callable[[Mapping[str, int]], int]]
"""An expression as text and as a function of the symbols' values."""

NAMES = ("s0", "s1", "d0")
FUNCTIONS = ("floordiv", "mod", "ceildiv", "max", "min")


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Tree:
    """Random expressions; divisors are positive numbers."""
    kind = draw(st.sampled_from(["number", "symbol"] if depth == 0 else ["number", "symbol", "+", "-", "*", "call"]))
    if kind == "number":
        number = draw(st.integers(0, 40))
        return str(number), lambda values: number
    if kind == "symbol":
        name = draw(st.sampled_from(NAMES))
        return name, lambda values: values[name]
    left_text, left = draw(trees(depth=depth - 1))
    if kind == "call":
        function = draw(st.sampled_from(FUNCTIONS))
        if function in ("max", "min"):
            right_text, right = draw(trees(depth=depth - 1))
        else:
            divisor = draw(st.integers(1, 9))
            right_text, right = str(divisor), lambda values: divisor
        return f"{function}({left_text}, {right_text})", lambda values: APPLY[function](left(values), right(values))
    right_text, right = draw(trees(depth=depth - 1))
    return f"({left_text} {kind} {right_text})", lambda values: APPLY[kind](left(values), right(values))


APPLY: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b, "ceildiv": lambda a, b: -(-a // b), "max": max, "min": min,
}  # fmt: skip
values_of_symbols = st.fixed_dictionaries({name: st.integers(0, 30) for name in NAMES})


@given(trees(), values_of_symbols)
def test_evaluate(tree: Tree, values: dict[str, int]) -> None:
    text, function = tree
    assert parse(text).evaluate(values) == function(values)


@given(trees())
def test_text_is_read_back(tree: Tree) -> None:
    expression = parse(tree[0])
    assert parse(str(expression)) == expression
    assert str(parse(str(expression))) == str(expression)


@given(trees(), trees(), trees())
def test_canonical_form(a: Tree, b: Tree, c: Tree) -> None:
    x, y, z = parse(a[0]), parse(b[0]), parse(c[0])
    assert str(x + y) == str(y + x)
    assert str(x * y) == str(y * x)
    assert str(x * (y + z)) == str(x * y + x * z)
    assert (x - x) == 0
    assert hash(x + y) == hash(y + x)


@given(trees(), values_of_symbols, st.integers(0, 5))
def test_bounds_contain_the_value(tree: Tree, values: dict[str, int], slack: int) -> None:
    ranges = {name: (max(0, value - slack), value + slack) for name, value in values.items()}
    expression = parse(tree[0])
    low, high = expression.bounds(ranges)
    assert low <= expression.evaluate(values) <= high


@given(trees(), trees(), values_of_symbols)
def test_substitute(tree: Tree, replacement: Tree, values: dict[str, int]) -> None:
    expression, inner = parse(tree[0]), parse(replacement[0])
    substituted = expression.substitute({"s0": inner})
    assert substituted.evaluate(values) == expression.evaluate({**values, "s0": inner.evaluate(values)})


@given(trees(), trees(), values_of_symbols)
def test_exact_division(a: Tree, b: Tree, values: dict[str, int]) -> None:
    x, y = parse(a[0]), parse(b[0])
    quotient = None if y == 0 else (x * y).divide_exactly(y)
    if quotient is not None:
        assert quotient.evaluate(values) * y.evaluate(values) == (x * y).evaluate(values)


def test_products_divide_by_their_factors() -> None:
    s0, s1 = symbol("s0"), symbol("s1")
    assert (6 * s0 * s1).divide_exactly(2 * s0) == 3 * s1
    assert (6 * s0 + 1).divide_exactly(2) is None
    assert call("floordiv", 12 * s0, 4) == 3 * s0
    assert call("mod", 12 * s0, 4) == 0


def test_symbols() -> None:
    assert parse("s0*floordiv(s1 + 3, d0)").symbols() == {"s0", "s1", "d0"}


def test_numbers_stay_numbers() -> None:
    assert parse_dim("3*4") == 12 and isinstance(parse_dim("3*4"), int)
    assert isinstance(simplify_dim(symbol("s0") - symbol("s0") + 2), int)
    assert product([2, 3]) == 6 and product([]) == 1
    assert ceildiv(7, 2) == 4


def test_operators_of_python_are_read() -> None:
    assert str(parse("s0 // 2 + s1 % 3")) == "floordiv(s0, 2) + mod(s1, 3)"


@pytest.mark.parametrize(
    "text", ["", "s0 +", "s0/2", "2.5", "f(s0, 1)", "max(s0)", "s0 ** 2", "a.b", "True", "'s0'", "floordiv(s0, 0)", "(" * 400]
)
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size expression"):
        parse(text)


def test_a_symbol_without_a_value() -> None:
    with pytest.raises(KeyError, match="s1"):
        parse("s0 + s1").evaluate({"s0": 1})


@pytest.mark.parametrize("name", ["", "0a", "a-b", "a b"])
def test_names(name: str) -> None:
    with pytest.raises(ValueError, match="not a symbol name"):
        symbol(name)


def test_equality_with_numbers() -> None:
    three: Dim = to_expr(3)
    assert three == 3 and hash(three) == hash(3)
    assert symbol("s0") != 3
    assert Expr({}) == 0
