"""Regions: scalar algebra, operands, results."""

from __future__ import annotations

import numpy as np
import pytest
from tw_programs import binary, broadcast, check, compare, iota, scalar_constant, typed, unary, with_number

from tilewright.core.mlir import arith, ir
from tilewright.core.mlir import math as mlir_math
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

X = typed("s0, s1")
I = typed("s0, s1", "i64")
B = typed("s0, s1", "i1")


def _region(inputs: list[tw.TensorInfo], body: object) -> list[str]:
    """The expressions left of one pointwise op."""
    result = check(inputs, lambda *v: tw.pointwise(list(v), body))  # type: ignore[arg-type]
    return result.regions() if result.ops else ["%0"]


FLOAT_RULES = {
    "add zero": (lambda x: arith.addf(x, scalar_constant(0, "f32")), "%0"),
    "subtract zero": (lambda x: arith.subf(x, scalar_constant(0, "f32")), "%0"),
    "times one": (lambda x: arith.mulf(scalar_constant(1, "f32"), x), "%0"),
    "over one": (lambda x: arith.divf(x, scalar_constant(1, "f32")), "%0"),
    "times zero stays": (lambda x: arith.mulf(x, scalar_constant(0, "f32")), "mulf(%0, 0.0:f32)"),
    "minus stays": (lambda x: arith.subf(x, x), "subf(%0, %0)"),
    "times minus one": (lambda x: arith.mulf(x, scalar_constant(-1, "f32")), "negf(%0)"),
    "double negation": (lambda x: arith.negf(arith.negf(x)), "%0"),
    "over two": (lambda x: arith.divf(x, scalar_constant(2, "f32")), "mulf(%0, 0.5:f32)"),
    "over three stays": (lambda x: arith.divf(x, scalar_constant(3, "f32")), "divf(%0, 3.0:f32)"),
    "square": (lambda x: mlir_math.powf(x, scalar_constant(2, "f32")), "mulf(%0, %0)"),
    "constants first": (lambda x: arith.mulf(x, arith.addf(scalar_constant(1, "f32"), scalar_constant(2, "f32"))), "mulf(%0, 3.0:f32)"),
    "add negation": (lambda x: arith.addf(x, arith.negf(mlir_math.exp(x))), "subf(%0, exp(%0))"),
    "max with itself": (lambda x: arith.maximumf(x, x), "%0"),
    "cast there and back": (lambda x: arith.truncf(tw.element_type("f32"), arith.extf(tw.element_type("f64"), x)), "%0"),
}

INTEGER_RULES = {
    "add zero": (lambda x: arith.addi(x, scalar_constant(0, "i64")), "%0"),
    "sums": (lambda x: arith.subi(arith.addi(x, scalar_constant(5, "i64")), scalar_constant(3, "i64")), "addi(%0, 2:i64)"),
    "back": (lambda x: arith.subi(arith.addi(x, scalar_constant(5, "i64")), scalar_constant(5, "i64")), "%0"),
    "times zero": (lambda x: arith.muli(x, scalar_constant(0, "i64")), None),
    "less itself": (lambda x: arith.subi(x, x), None),
    "narrowed again": (
        lambda x: arith.extsi(tw.element_type("i64"), arith.trunci(tw.element_type("i32"), x)),
        "extsi(trunci(%0))",
    ),
    "equal to itself": (lambda x: arith.cmpi(arith.CmpIPredicate.sle, x, x), None),
}

BOOLEAN_RULES = {
    "and true": (lambda x: arith.andi(x, scalar_constant(1, "i1")), "%0"),
    "or false": (lambda x: arith.ori(x, scalar_constant(0, "i1")), "%0"),
    "not not": (lambda x: arith.xori(arith.xori(x, scalar_constant(1, "i1")), scalar_constant(1, "i1")), "%0"),
    "and itself": (lambda x: arith.andi(x, x), "%0"),
    "as integer": (
        lambda x: arith.cmpi(arith.CmpIPredicate.ne, arith.extui(tw.element_type("i64"), x), scalar_constant(0, "i64")),
        "%0",
    ),
    "as float": (
        lambda x: arith.cmpf(arith.CmpFPredicate.OEQ, arith.uitofp(tw.element_type("f32"), x), scalar_constant(1, "f32")),
        "%0",
    ),
    "choice": (lambda x: arith.select(x, scalar_constant(1, "i1"), scalar_constant(0, "i1")), "%0"),
    "same choice": (lambda x: arith.select(x, x, x), "%0"),
}


@pytest.mark.parametrize("name", FLOAT_RULES)
def test_float_rule(name: str) -> None:
    body, expected = FLOAT_RULES[name]
    assert _region([X], body) == [expected]


@pytest.mark.parametrize("name", INTEGER_RULES)
def test_integer_rule(name: str) -> None:
    body, expected = INTEGER_RULES[name]
    regions = _region([I], body)
    assert regions == [expected] if expected else not any("%" in r for r in regions)


@pytest.mark.parametrize("name", BOOLEAN_RULES)
def test_boolean_rule(name: str) -> None:
    body, expected = BOOLEAN_RULES[name]
    assert _region([B], body) == [expected]


def test_select_of_a_constant_condition() -> None:
    body = lambda a, b: arith.select(scalar_constant(0, "i1"), a, b)  # noqa: E731
    result = check([X, X], lambda a, b: tw.pointwise([a, b], body))
    assert result.ops == {}


def test_numbers_become_constants_of_the_region() -> None:
    def body(x: ir.Value) -> ir.Value:
        full = broadcast(tw.constant(2.0, "f32"), "s0, s1")
        return binary("mulf", x, binary("addf", full, tw.constant(np.full((1, 1), 0.5, np.float32))))

    result = check([X], body)
    assert result.ops == {"pointwise": 1}
    assert result.regions() == ["mulf(%0, 2.5:f32)"]


def test_repeated_and_unused_operands_go() -> None:
    result = check([X, X], lambda x, y: tw.pointwise([x, y, x], lambda a, b, c: arith.addf(a, c)))
    assert len(result.find("pointwise").operands) == 1


def test_results_that_are_operands_numbers_or_repeated() -> None:
    def body(x: ir.Value) -> list[ir.Value]:
        def region(a: ir.Value) -> list[ir.Value]:
            e = mlir_math.exp(a)
            return [e, a, scalar_constant(3, "f32"), mlir_math.exp(a), arith.negf(a)]

        first, second, third, fourth, _unused = tw.pointwise([x], region)
        return [first, second, third, fourth]

    result = check([X], body)
    assert result.ops == {"pointwise": 2}
    assert sorted(result.regions()) == ["3.0:f32", "exp(%0)"]
    assert result.returned[0] == result.returned[3]


def test_what_is_narrow_is_computed_narrow() -> None:
    def body(x: ir.Value, b: ir.Value) -> ir.Value:
        wide = tw.pointwise([b], mlir_math.exp, shape=X.shape)
        return binary("mulf", x, wide)

    result = check([X, typed("s1")], body)
    assert result.ops == {"pointwise": 2}
    assert [result.shape(o.results[0]) for o in result.body if tw.is_op(o, "pointwise")] == [typed("s1").shape, X.shape]


def test_fills_stay_fills() -> None:
    result = check([X], lambda x: [x, tw.pointwise([], lambda: scalar_constant(2, "f32"), shape=X.shape)])
    assert result.ops == {"pointwise": 1}
    small = check([X], lambda x: [x, tw.pointwise([], lambda: scalar_constant(2, "f32"), shape=(2, 3))])
    assert small.ops == {"constant": 1}


@pytest.mark.parametrize(
    ("predicate", "offset", "expected"),
    [("ge", 0, True), ("lt", 0, False), ("gt", -1, True), ("ne", -1, True), ("eq", 64, False), ("ge", 1, None), ("eq", 3, None)],
)
def test_comparisons_of_positions_with_numbers(predicate: str, offset: int, expected: bool | None) -> None:
    result = check([X], lambda x: [x, compare(predicate, iota("s1", 0), tw.constant(offset, "i64"))])
    if expected is None:
        assert result.ops == {"iota": 1, "pointwise": 1}
    else:
        assert result.regions() == [str(expected) + ":i1"]


def test_comparisons_of_positions_with_sizes() -> None:
    def body(x: ir.Value) -> list[ir.Value]:
        size = tw.build("dim", expr=tw.parse_shape("s1")[0])
        below = compare("lt", iota("s1", 0), size)
        shifted = compare("lt", with_number("addi", iota("s1", 0), 1), size)
        return [x, below, shifted]

    result = check([X], body)
    # i < s1 always holds; i + 1 < s1 does not at the end.
    assert result.ops == {"pointwise": 3, "iota": 1, "dim": 1}
    assert "True:i1" in result.regions()


def test_sums_of_positions_are_affine() -> None:
    """`(i + 3) - (i + 1) == 2`, whatever i."""

    def body(x: ir.Value) -> list[ir.Value]:
        index = broadcast(iota("s1", 0), "s0, s1")
        difference = binary("subi", with_number("addi", index, 3), with_number("addi", iota("1, s1", 1), 1))
        return [x, difference]

    result = check([X], body)
    assert result.regions() == ["2:i64"]


def test_unary_chain_is_kept() -> None:
    assert check([X], lambda x: unary("exp", unary("sqrt", x)), arrays=[np.ones((3, 7), np.float32)]).ops == {"pointwise": 2}
