"""The largest errors of the vector functions: what their documentation states, the tests check and docs/math.md lists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """`ulp`: largest error on f32, in units in the last place of the f32 next to the exact result. `low` and `high`: where that holds,
    and where the error is measured (outside and at infinities and NaN, results are exact)."""

    function: str
    ulp: float
    low: float
    high: float
    remark: str = ""


LARGEST = 3.4028234e38

BOUNDS: tuple[Bound, ...] = (
    Bound("exp", 1.0, -104.0, 88.8, "denormal results: of the denormal grid"),
    Bound("exp2", 1.1, -150.0, 128.0, "denormal results: of the denormal grid"),
    Bound("expm1", 1.5, -LARGEST, 88.8),
    Bound("log", 1.0, 0.0, LARGEST),
    Bound("log2", 1.5, 0.0, LARGEST),
    Bound("log10", 1.0, 0.0, LARGEST),
    Bound("log1p", 1.6, -1.0, LARGEST),
    Bound("sinh", 2.0, -89.4, 89.4),
    Bound("cosh", 1.5, -89.4, 89.4),
    Bound("tanh", 1.4, -LARGEST, LARGEST),
    Bound("sin", 1.6, -LARGEST, LARGEST),
    Bound("cos", 1.6, -LARGEST, LARGEST),
    Bound("tan", 2.0, -LARGEST, LARGEST),
    Bound("asin", 1.3, -1.0, 1.0),
    Bound("acos", 1.3, -1.0, 1.0),
    Bound("atan", 1.4, -LARGEST, LARGEST),
    Bound("atan2", 2.0, -LARGEST, LARGEST, "of both operands"),
    Bound("erf", 1.1, -LARGEST, LARGEST),
    Bound("erfc", 1.5, -LARGEST, LARGEST, "denormal results: of the denormal grid"),
    Bound("rsqrt", 1.5, 0.0, LARGEST),
    Bound("powf", 1.0, -LARGEST, LARGEST, "of both operands"),
    Bound("sigmoid", 2.5, -87.0, LARGEST, "1 / (1 + exp(-x)), as frontends write it: three roundings"),
    Bound("silu", 3.0, -87.0, LARGEST, "x * sigmoid(x): four roundings"),
)
"""In the order of docs/math.md."""

RELATIVE_TO_INPUT: tuple[Bound, ...] = (
    Bound("gelu", 2.0, -LARGEST, LARGEST, "x / 2 * (1 + erf(x / sqrt(2)))"),
    Bound("gelu_tanh", 2.0, -LARGEST, LARGEST, "x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))"),
)
"""Sums that cancel where the result is far smaller than x: the error in units in the last place of x."""

FAST: tuple[Bound, ...] = (
    Bound("tanh", 5.0, -LARGEST, LARGEST),
    Bound("erf", 7.0, -LARGEST, LARGEST, "where the size of x is above 1e-30"),
    Bound("rsqrt", 2.0, 1.2e-38, LARGEST),
)
"""The forms that `fast_math` takes."""


def bound_of(function: str) -> Bound:
    """The bound of a function. Raises KeyError."""
    return {b.function: b for b in (*BOUNDS, *RELATIVE_TO_INPUT)}[function]
