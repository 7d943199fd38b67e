"""Index expressions: what movement must simplify to, and that simplification never changes a value."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright.core.symbolic import Expr, call, symbol, to_expr
from tilewright.lowering.loops.index_algebra import IndexSpace, delinearize, linear_coefficient, linearize

B, S, D = symbol("d0"), symbol("d1"), symbol("d2")
RANGES = {"d0": (0, 64), "d1": (0, 512), "d2": (1, 4096)}


def space(**sizes: int | Expr) -> IndexSpace:
    result = IndexSpace(RANGES)
    for name, size in sizes.items():
        result.define(name, size)
    return result


def test_a_row_index_that_is_split_and_joined_again_is_itself() -> None:
    rows = space(r=B * S)
    b, s = delinearize(symbol("r"), [B, S])
    assert rows.simplify(linearize([b, s, symbol("j")], [B, S, D])) == symbol("r") * D + symbol("j")


def test_three_levels_join() -> None:
    rows = space(r=B * 12 * S)
    index = delinearize(symbol("r"), [B, 12, S])
    assert rows.simplify(linearize(index, [B, 12, S])) == symbol("r")


def test_division_by_a_known_inner_size() -> None:
    inner = space(h=12, d=32)
    combined = symbol("h") * 32 + symbol("d")
    assert inner.simplify(call("floordiv", combined, 32)) == symbol("h")
    assert inner.simplify(call("mod", combined, 32)) == symbol("d")


def test_division_by_a_symbolic_inner_size() -> None:
    inner = space(s=S, j=D)
    assert inner.simplify(call("floordiv", symbol("s") * D + symbol("j"), D)) == symbol("s")


def test_what_is_not_provable_stays() -> None:
    wide = space(j=100)
    expression = to_expr(call("floordiv", symbol("j"), 32))
    assert wide.simplify(expression) == expression


def test_bounds_are_proven_with_symbolic_extents() -> None:
    known = space(s=S, j=D)
    assert known.less(symbol("s"), S) and known.nonnegative(S - 1 - symbol("s"))
    assert not known.less(symbol("s"), S - 1)
    assert known.less(symbol("s") * D + symbol("j"), S * D)


def test_linear_coefficient() -> None:
    j = symbol("j")
    assert linear_coefficient(j * D + symbol("i"), "j") == D
    assert linear_coefficient(to_expr(5), "j") == 0
    assert linear_coefficient(to_expr(call("mod", j, 3)), "j") is None
    assert linear_coefficient(j * j, "j") is None


expressions = st.recursive(
    st.sampled_from([symbol("i"), symbol("j"), to_expr(1), to_expr(6), to_expr(32)]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "mul"]), inner, inner).map(lambda t: t[1] + t[2] if t[0] == "add" else t[1] * t[2]),
        st.tuples(st.sampled_from(["floordiv", "mod"]), inner, st.sampled_from([2, 3, 6, 32])).map(lambda t: to_expr(call(*t))),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_simplification_keeps_the_value(expression: Expr) -> None:
    indices = space(i=7, j=6)
    simplified = indices.simplify(expression)
    for i, j in itertools.product(range(7), range(6)):
        values = {"i": i, "j": j}
        assert simplified.evaluate(values) == expression.evaluate(values)
