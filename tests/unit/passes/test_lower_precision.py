"""`tw-lower-precision` on the interpreter: results are those of rounded operands and exact sums."""

from __future__ import annotations

import numpy as np
import pytest
from tw_programs import Rewritten, binary, make_program, reshape, slice_, transpose, typed, unary

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.core.pass_manager import run_pipeline
from tilewright.dialects import tw
from tilewright.dialects.tw.interpreter import run

pytestmark = pytest.mark.usefixtures("context")

SIZES = np.zeros((3, 7), bool)
"""The input that binds the symbols."""


def rounded(array: np.ndarray) -> np.ndarray:
    return array.astype(tw.numpy_dtype("bf16")).astype(np.float64)


def lowered(module: ir.Module) -> Rewritten:
    run_pipeline(module, "tw-lower-precision{matmul=bf16}")
    tw.verify_program(module)
    return Rewritten(module)


@pytest.mark.parametrize("transposed", [False, True])
def test_operands_are_rounded_and_sums_are_not(transposed: bool) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 7, 8)).astype(np.float32), rng.standard_normal((8, 5)).astype(np.float32)
    stored = np.ascontiguousarray(w.T) if transposed else w

    def body(x: ir.Value) -> ir.Value:
        return tw.build("matmul", x, tw.weight("w", tw.TensorInfo(stored.shape, "f32")), transpose_rhs=transposed)

    module = make_program([typed("s0, s1, 8")], body)
    result = lowered(module)
    assert result.ops == {"pointwise": 1, "matmul": 1}
    (actual,) = run(module, [x, SIZES], {"w": stored})
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, (rounded(x) @ rounded(w)).astype(np.float32))


def test_every_operand_is_cast_once() -> None:
    def body(x: ir.Value, y: ir.Value) -> list[ir.Value]:
        heads = reshape(x, "s0, s1, 2, 4")
        first = tw.build("matmul", x, y)
        return [first, tw.build("matmul", x, first, transpose_rhs=True), tw.build("matmul", heads, heads, transpose_rhs=True)]

    result = lowered(make_program([typed("s0, s1, 8"), typed("8, 8")], body))
    # x, y, the first product and x as heads: what nothing computes is cast where it is used.
    assert result.ops == {"reshape": 1, "pointwise": 4, "matmul": 3}


def test_casts_go_behind_the_movement_of_what_is_computed_for_the_matmul_alone() -> None:
    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        alone = transpose(unary("exp", x), 1, 0, 2)
        shared = unary("tanh", x)
        return [tw.build("matmul", alone, w), tw.build("matmul", transpose(shared, 1, 0, 2), w), shared]

    result = lowered(make_program([typed("s0, s1, 8"), typed("8, 8")], body))
    types = [tw.tensor_info(op.operands[0]).dtype for op in result.body if tw.is_op(op, "transpose")]
    assert types == ["bf16", "f32"]


def test_movement_of_weights_is_of_the_cast_weight() -> None:
    def body(x: ir.Value) -> ir.Value:
        w, v = (tw.weight(name, typed("6, 8")) for name in "wv")
        joined = tw.build("concat", [slice_(w, "0, 0", "2, 8"), v], dim=0)
        return tw.build("matmul", x, reshape(transpose(joined, 1, 0), "1, 8, 8"))

    module = make_program([typed("s0, s1, 8")], body)
    rng = np.random.default_rng(1)
    x, w, v = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 7, 8), (6, 8), (6, 8)))
    result = lowered(module)
    assert [tw.tensor_info(op.results[0]).dtype for op in result.body if tw.is_op(op, "weight")] == ["bf16", "bf16"]
    assert result.ops["pointwise"] == 1
    (actual,) = run(module, [x, SIZES], {"w": w, "v": v})
    np.testing.assert_array_equal(actual, (rounded(x) @ rounded(np.concatenate([w[:2], v])).T).astype(np.float32))


def test_what_is_not_a_sum_or_not_f32_stays() -> None:
    def body(positions: ir.Value, frequencies: ir.Value, d: ir.Value, h: ir.Value) -> list[ir.Value]:
        return [
            tw.build("matmul", positions, frequencies),
            tw.build("matmul", d, d, transpose_rhs=True),
            tw.build("matmul", h, h, transpose_rhs=True, accumulate="f32"),
            binary("mulf", positions, positions),
        ]

    inputs = [typed("s1, 1"), typed("1, 8"), typed("4, 8", "f64"), typed("4, 8", "bf16")]
    module = make_program(inputs, body)
    before = str(module)
    run_pipeline(module, "tw-lower-precision{matmul=bf16}")
    assert str(module) == before


def test_an_unknown_precision() -> None:
    module = make_program([typed("4, 8")], lambda x: tw.build("matmul", x, x, transpose_rhs=True))
    with pytest.raises(InputError, match="no precision 'fp8'"):
        run_pipeline(module, "tw-lower-precision{matmul=fp8}")
