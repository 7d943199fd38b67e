"""Affine forms say what the interpreter computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tw_programs import SIZES, binary, broadcast, iota, make_program, reshape, slice_, transpose, with_number

from tilewright.core.mlir import arith, ir
from tilewright.core.symbolic import Expr
from tilewright.dialects import tw
from tilewright.dialects.tw.interpreter import run
from tilewright.passes.affine import Affine, affine, affine_of_array, decided
from tilewright.passes.rewrite import Rewriter

pytestmark = pytest.mark.usefixtures("context")

STARTS: list[Callable[[], ir.Value]] = [
    lambda: iota("s0, s1", 0),
    lambda: iota("s0, s1", 1),
    lambda: broadcast(iota("1, s1", 1), "s0, s1"),
    lambda: broadcast(tw.build("dim", expr=tw.parse_shape("s1")[0]), "s0, s1"),
    lambda: broadcast(tw.constant(np.asarray([[3]], np.int64)), "s0, s1"),
    lambda: transpose(iota("s1, s0", 0), 1, 0),
    lambda: slice_(iota("s0, s1 + 2", 1), "0, 2", "s0, s1"),
    lambda: tw.build("concat", [slice_(iota("s0, s1", 1), "0, 0", "s0, 1"), slice_(iota("s0, s1", 1), "0, 1", "s0, s1 - 1")], dim=1),
    lambda: tw.build("gather", iota("s1, s0", 0), [iota("s0, s1", 1), iota("s0, s1", 0)], axes=(0, 1)),
    lambda: tw.build("scan", broadcast(tw.constant(np.asarray([[2]], np.int64)), "s0, s1"), dim=1),
]
STEPS: list[Callable[[ir.Value, ir.Value], ir.Value]] = [
    lambda a, b: binary("addi", a, b),
    lambda a, b: binary("subi", a, b),
    lambda a, b: with_number("muli", a, -2),
    lambda a, b: with_number("addi", a, 5),
    lambda a, b: reshape(reshape(a, "s0, 1, s1"), "s0, s1"),
    lambda a, b: transpose(transpose(a, 1, 0), 1, 0),
    lambda a, b: slice_(tw.build("concat", [a, b], dim=0), "0, 0", "s0, s1"),
]


def _values(form: Affine, shape: tuple[int, ...]) -> np.ndarray:
    offset = form.offset.evaluate(SIZES) if isinstance(form.offset, Expr) else form.offset
    total = np.full(shape, offset, np.int64)
    for dim, coefficient in enumerate(form.coefficients):
        total += coefficient * np.arange(shape[dim]).reshape([-1 if d == dim else 1 for d in range(len(shape))])
    return total


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_forms_are_true(context: ir.Context, data: st.DataObject) -> None:
    def body() -> ir.Value:
        pool = [data.draw(st.sampled_from(STARTS))() for _ in range(2)]
        for _ in range(data.draw(st.integers(0, 4))):
            pool.append(data.draw(st.sampled_from(STEPS))(data.draw(st.sampled_from(pool)), data.draw(st.sampled_from(pool))))
        return pool[-1]

    module = make_program([], body)
    (function,) = tw.functions(module)
    rw = Rewriter(function)
    found: list[str] = []

    def observe(op: ir.Operation, results: list[np.ndarray]) -> None:
        form = affine(rw, op.results[0])
        if form is not None:
            found.append(tw.op_name(op))
            np.testing.assert_array_equal(_values(form, results[0].shape), results[0], err_msg=f"{form} of {op}")

    run(module, [np.ones(tuple(SIZES.values()), bool)], observe=observe)
    assert found


def test_arrays() -> None:
    assert affine_of_array(np.arange(12).reshape(3, 4)) == Affine(0, (4, 1))
    assert affine_of_array(np.full((2, 3), 7)) == Affine(7, (0, 0))
    assert affine_of_array(np.asarray([0, 1, 3])) is None
    assert affine_of_array(np.zeros((0, 2), np.int64)) is None


def test_wrapping_arithmetic_is_not_affine() -> None:
    large = lambda: tw.constant(np.asarray([2**31 - 1, 2**31 - 1], np.int32))  # noqa: E731
    module = make_program([], lambda: with_number("addi", large(), 1))
    (function,) = tw.functions(module)
    terminator = list(function.operation.regions[0].blocks[0].operations)[-1]
    assert affine(Rewriter(function), terminator.operation.operands[0]) is None


def test_a_narrowing_that_wraps_is_not_affine() -> None:
    def body() -> ir.Value:
        element = tw.element_type
        return tw.pointwise([iota("400", 0)], lambda a: arith.extsi(element("i64"), arith.trunci(element("i8"), a)))

    module = make_program([], body)
    (function,) = tw.functions(module)
    terminator = list(function.operation.regions[0].blocks[0].operations)[-1]
    assert affine(Rewriter(function), terminator.operation.operands[0]) is None


@pytest.mark.parametrize(
    ("predicate", "offset", "outcome"),
    [(0, 0, None), (1, -1, True), (2, 64, True), (2, 63, None), (3, 63, True), (4, 64, False), (5, 0, True), (5, 1, None), (0, 64, False)],
)
def test_decisions(predicate: int, offset: int, outcome: bool | None) -> None:
    module = make_program([], lambda: iota("s1", 0))
    (function,) = tw.functions(module)
    shape = tw.parse_shape("s1")
    assert decided(Rewriter(function), predicate, Affine(0, (1,)), Affine(offset, (0,)), shape) is outcome
