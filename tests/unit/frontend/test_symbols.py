"""Sizes: torch's symbolic expressions as ours, conditions on them, and the inputs that bind symbols."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
import sympy
import torch
from hypothesis import given, settings
from torch.export import Dim
from torch.utils._sympy.functions import FloorDiv, IntTrueDiv, Max, Min, Mod, PythonMod
from torch_reference import batch, check, import_function

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.symbolic import Expr
from tilewright.dialects import tw
from tilewright.frontend.torch.symbols import LARGEST_SIZE, SymbolTable, decide

_A, _B = (sympy.Symbol(name, positive=True, integer=True) for name in ("s77", "s5"))


class _Range:
    def __init__(self, lower: Any, upper: Any) -> None:
        self.lower, self.upper = lower, upper


def _table() -> SymbolTable:
    return SymbolTable({_A: _Range(1, 9), _B: _Range(2, sympy.oo)})


def _expressions() -> st.SearchStrategy[Any]:
    leaves = st.sampled_from([_A, _B]) | st.integers(1, 5).map(sympy.Integer)
    divisors = st.integers(1, 6).map(sympy.Integer)

    def grow(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        pairs = st.tuples(children, children)
        quotients = st.tuples(st.sampled_from([FloorDiv, Mod, PythonMod]), children, divisors).map(lambda t: t[0](t[1], t[2]))
        extremes = st.tuples(st.sampled_from([Max, Min]), pairs).map(lambda t: t[0](*t[1]))
        return pairs.map(lambda p: p[0] + p[1]) | pairs.map(lambda p: p[0] * p[1]) | quotients | extremes

    return st.recursive(leaves, grow, max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(expression=_expressions(), a=st.integers(1, 9), b=st.integers(2, 30))
def test_translation_keeps_the_value(expression: Any, a: int, b: int) -> None:
    table = _table()
    ours = table.dim(expression)
    names = {table.dim(s): v for s, v in ((_A, a), (_B, b))}
    value = ours if isinstance(ours, int) else ours.evaluate({str(k): v for k, v in names.items()})
    assert value == int(expression.subs({_A: a, _B: b}))


def test_symbols_are_named_in_order_of_appearance() -> None:
    table = _table()
    assert str(table.dim(_B * 2)) == "2*s0"
    assert str(table.dim(_A + _B)) == "s0 + s1"
    assert table.ranges == {"s0": (2, LARGEST_SIZE), "s1": (1, 9)}
    assert table.torch_name("s0") == "s5"


def test_quotients() -> None:
    table = _table()
    assert str(table.dim(sympy.Rational(1, 2) * _A * 4)) == "2*s0"
    assert str(table.dim(IntTrueDiv(_A, sympy.Integer(3)))) == "floordiv(s0, 3)"


def test_ranges_decide_maxima_and_minima() -> None:
    table = _table()
    rest: Any = Max(sympy.Integer(0), 128 - _A)
    assert str(table.dim(128 - rest)) == "s0"
    assert table.dim(Min(_A, sympy.Integer(9))) == table.dim(_A)
    assert str(table.dim(Min(_A, sympy.Integer(8)))) == "min(8, s0)"


def test_unbacked_sizes_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="u0 depends on the values of a tensor"):
        _table().dim(sympy.Symbol("u0"))


def test_unknown_functions_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="uses sin"):
        _table().dim(sympy.sin(_A))


def test_ranges_reach_the_function() -> None:
    program = import_function(lambda x: x + 1, torch.randn(4, 6), dynamic=[{0: batch("n", 2, 33), 1: Dim("m", min=3)}])
    (function,) = tw.functions(program.module)
    assert tw.symbols_of(function) == {"s0": (2, 33), "s1": (3, LARGEST_SIZE)}


def test_arithmetic_on_sizes() -> None:
    def function(x: torch.Tensor) -> Any:
        n, m = x.shape[0], x.shape[1]
        return x.reshape(n * m), torch.zeros(n + m - 1), torch.zeros(n // 2 + 1), torch.zeros(max(n, m)), torch.zeros(n % 4 + 2), n, n * m

    check(function, torch.randn(6, 5), dynamic=[{0: batch("n", 4), 1: batch("m", 4)}], others=[], tolerance=0)


def test_sizes_as_results() -> None:
    program = import_function(lambda x: (x, x.shape[0] * 3, 7, None), torch.randn(6, 5), dynamic=[{0: batch("n", 4)}])
    assert program.output_structure["items"][1:] == [
        {"kind": "size", "expr": "3*s0"},
        {"kind": "constant", "value": 7},
        None,
    ]


def test_derived_dimensions_that_nothing_binds_are_refused() -> None:
    half = Dim("half", min=2, max=9)
    with pytest.raises(UnsupportedError, match=r"(?s)not a whole dimension of any input; input 'args_0' has a dimension 2\*s0"):
        import_function(lambda x: x + 1, torch.randn(8, 3), dynamic=[{0: 2 * half}])


def test_derived_dimensions_beside_their_symbol() -> None:
    n = Dim("n", min=2, max=9)
    program = import_function(lambda x, y: x.sum() + y, torch.randn(8, 3), torch.randn(4), dynamic=[{0: 2 * n}, {0: n}])
    (function,) = tw.functions(program.module)
    block = function.operation.regions[0].blocks[0]
    first = tw.tensor_info(block.arguments[0]).shape[0]
    assert isinstance(first, Expr)
    assert str(first) == "2*s0"


def test_assertions_that_the_ranges_prove_are_dropped() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        torch._check(x.shape[0] >= 2)  # pyright: ignore[reportPrivateUsage]
        return x + 1

    check(function, torch.randn(6, 5), dynamic=[{0: batch("n", 4)}], others=[[torch.randn(4, 5)]])


def test_numbers_from_sizes_that_are_no_integers_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="no integer"):
        import_function(lambda x: x * (x.shape[0] ** 0.5), torch.randn(6, 5), dynamic=[{0: batch("n", 4)}])


def test_numbers_that_change_are_refused_as_inputs() -> None:
    with pytest.raises(UnsupportedError, match="'args_1' is a number that may change"):
        import_function(lambda x, n: x * n, torch.randn(6, 5), 3, dynamic=[None, Dim.DYNAMIC])


@pytest.mark.parametrize(
    ("condition", "expected"),
    [(sympy.Ge(_A, 1), True), (sympy.Ge(_A, 2), None), (sympy.Gt(_A, 9), False), (sympy.Lt(_A, 10), True), (sympy.Le(_A, 0), False),
     (sympy.Ne(_A, 10), True), (sympy.Eq(_A, 10), False), (sympy.Eq(_A, 3), None), (sympy.Gt(_A + _B, 2), True), (sympy.true, True)],
    ids=str,
)  # fmt: skip
def test_conditions_that_ranges_decide(condition: Any, expected: bool | None) -> None:
    assert decide(condition, _table()) is expected
