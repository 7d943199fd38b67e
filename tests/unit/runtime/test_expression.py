"""Size expressions: the runtime's evaluator agrees with the compiler's, and takes nothing else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.core import symbolic
from tilewright.runtime.expression import MAX_DEPTH, MAX_LENGTH, compile_expression

SYMBOLS = {"s0": 0, "s1": 1, "batch": 2}

leaves = st.one_of(st.sampled_from(sorted(SYMBOLS)), st.integers(1, 99).map(str))
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(st.sampled_from(["floordiv", "ceildiv", "mod"]), inner, st.integers(1, 9)).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=12,
)


@given(text=expressions, values=st.tuples(*[st.integers(0, 10**4)] * 3))
def test_agrees_with_the_compiler(text: str, values: tuple[int, int, int]) -> None:
    parsed = symbolic.parse(text)
    expected = parsed.evaluate(dict(zip(SYMBOLS, values)))
    assert compile_expression(text, SYMBOLS)(values) == expected
    assert compile_expression(str(parsed), SYMBOLS)(values) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("4*s0*s1", 4 * 3 * 5), ("s0 // 2 + s1 % 3", 3), ("-s0 - -s1", 2), ("--7", 7), ("2*(s0+1)", 8), ("ceildiv(s0*s1, 4)", 4), ("0", 0)],
)
def test_values(text: str, value: int) -> None:
    assert compile_expression(text, SYMBOLS)([3, 5, 7]) == value


@pytest.mark.parametrize(
    "text",
    [
        "", "s2", "s0 +", "(s0", "s0)", "s0 s1", "1.5", "s0**2", "max(s0)", "max(s0, s1, 2)", "__import__('os')", "pow(2, 9)", "s0.real",
        "\u00e9",
        "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "1+" * MAX_LENGTH + "1", "9" * 19, "lambda: 1",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"size expression|unknown symbol"):
        compile_expression(text, SYMBOLS)


@given(st.text(alphabet="s01()+-*/%, maxin", max_size=40))
def test_noise_never_raises_anything_else(text: str) -> None:
    with contextlib.suppress(ValueError):
        compile_expression(text, SYMBOLS)
