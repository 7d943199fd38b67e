"""Epilogues of the f32 matmul template: what is computed on the accumulators and how their operands are read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal, tw_context

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw
from tilewright.passes.schedules.matmul_rule import choose_matmul_schedule
from tilewright.targets import find, host_target

F32 = "f32"


def number(value: float) -> ir.Value:
    return arith.constant(ir.F32Type.get(), value)


def gelu(x: ir.Value) -> ir.Value:
    half = arith.mulf(x, number(0.5))
    return arith.mulf(half, arith.addf(math.erf(arith.mulf(x, number(0.70710678))), number(1.0)))


def silu(x: ir.Value) -> ir.Value:
    return arith.divf(x, arith.addf(number(1.0), math.exp(arith.negf(x))))


def relu(x: ir.Value) -> ir.Value:
    return arith.maximumf(x, number(0.0))


ACTIVATIONS = {"gelu": gelu, "silu": silu, "relu": relu, "tanh": math.tanh}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", [96, 77])
def test_bias_and_activation(activation: str, n: int) -> None:
    apply = ACTIVATIONS[activation]

    def body(x: ir.Value, w: ir.Value, b: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w), b], lambda y, c: apply(arith.addf(y, c)))]

    kernel = TemplateKernel([info("d0, 40"), info(f"40, {n}"), info(f"{n}")], body, weights={1})
    lowered = kernel.lower(host_target())
    for m in (1, 6, 19):
        kernel.check([normal(m, 40), normal(40, n, seed=1), normal(n, seed=2)], lowered=lowered)


def test_gelu_whose_error_function_is_used_twice() -> None:
    """`1 + erf(x)` has a form of its own where nothing else needs the erf."""

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        def both(y: ir.Value) -> ir.Value:
            error = math.erf(y)
            return arith.addf(arith.addf(error, number(1.0)), arith.mulf(error, y))

        product = tw.build("matmul", x, w)
        return [tw.pointwise([product], both), tw.pointwise([product], gelu)]

    kernel = TemplateKernel([info("d0, 24"), info("24, 48")], body, weights={1})
    kernel.check([10 * normal(9, 24), normal(24, 48, seed=1)])


@pytest.mark.parametrize("n", [96, 77])
def test_chain_of_two_pointwise_ops_with_residual(n: int) -> None:
    def body(x: ir.Value, w: ir.Value, b: ir.Value, r: ir.Value, s: ir.Value) -> list[ir.Value]:
        y = tw.pointwise([tw.build("matmul", x, w), b], arith.addf)
        return [tw.pointwise([y, r, s], lambda p, q, t: arith.addf(arith.mulf(p, t), q))]

    kernel = TemplateKernel([info("d0, d1, 40"), info(f"40, {n}"), info(f"{n}"), info(f"d0, d1, {n}"), info("1")], body, weights={1})
    kernel.check([normal(2, 7, 40), normal(40, n, seed=1), normal(n, seed=2), normal(2, 7, n, seed=3), normal(1, seed=4)])


@pytest.mark.parametrize("shape", ["1, 1, 50", "d0, 1, 50", "d0, d1, 1", "1, d1, 50", "50", "d0, 1, 1", "1"])
def test_operands_broadcast(shape: str) -> None:
    def body(x: ir.Value, w: ir.Value, o: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w), o], arith.addf)]

    sizes = [{"d0": 3, "d1": 9}.get(d.strip()) or int(d) for d in shape.split(",")]
    kernel = TemplateKernel([info("d0, d1, 20"), info("20, 50"), info(shape)], body, weights={1})
    kernel.check([normal(3, 9, 20), normal(20, 50, seed=1), normal(*sizes, seed=2)])


def test_operand_that_lies_transposed() -> None:
    def body(x: ir.Value, w: ir.Value, r: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w), tw.build("transpose", r, permutation=(1, 0))], arith.addf)]

    kernel = TemplateKernel([info("d0, 20"), info("20, 50"), info("50, d0")], body, weights={1})
    kernel.check([normal(9, 20), normal(20, 50, seed=1), normal(50, 9, seed=2)])


def test_result_that_lies_transposed() -> None:
    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [tw.build("transpose", tw.build("matmul", x, w), permutation=(1, 0))]

    kernel = TemplateKernel([info("d0, 20"), info("20, 50")], body, weights={1})
    kernel.check([normal(9, 20), normal(20, 50, seed=1)])


def test_masked_scores() -> None:
    """Decomposed attention: scores of every head, scaled, and a boolean mask that broadcasts over heads and queries."""

    def body(q: ir.Value, k: ir.Value, mask: ir.Value) -> list[ir.Value]:
        scores = tw.build("matmul", q, k, transpose_rhs=True)
        scaled = lambda s, m: arith.select(m, arith.mulf(s, number(0.25)), number(-1e9))  # noqa: E731
        return [tw.pointwise([scores, mask], scaled)]

    kernel = TemplateKernel([info("d0, 3, d1, 16"), info("d0, 3, d1, 16"), info("d0, 1, 1, d1", "i1")], body)
    mask = np.random.default_rng(0).random((2, 1, 1, 21)) < 0.7
    kernel.check([normal(2, 3, 21, 16), normal(2, 3, 21, 16, seed=1), mask])


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f64", "i32"])
def test_results_of_other_types(dtype: str) -> None:
    def cast(value: ir.Value) -> ir.Value:
        kind = tw.element_type(dtype)
        if dtype == "i32":
            return arith.fptosi(kind, value)
        return arith.extf(kind, value) if dtype == "f64" else arith.truncf(kind, value)

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w)], cast)]

    kernel = TemplateKernel([info("d0, 24"), info("24, 50")], body, weights={1})
    tolerance = {"bf16": 8e-3, "f16": 1e-3, "f64": 2e-5, "i32": 0.2}[dtype]
    kernel.check([normal(9, 24), normal(24, 50, seed=1)], tolerance=tolerance)


def test_two_results() -> None:
    """The product itself and its activation, as a training-style graph keeps both."""

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        y = tw.build("matmul", x, w)
        return [y, tw.pointwise([y], lambda v: arith.cmpf(arith.CmpFPredicate.OGT, v, number(0.0)))]

    kernel = TemplateKernel([info("d0, 24"), info("24, 48")], body, weights={1})
    kernel.check([normal(9, 24), normal(24, 48, seed=1)])


def test_heavy_epilogue_on_avx2_and_neon() -> None:
    def body(x: ir.Value, w: ir.Value, b: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w), b], lambda y, c: gelu(arith.addf(y, c)))]

    kernel = TemplateKernel([info("d0, 40"), info("40, 77"), info("77")], body, weights={1})
    if host_target().arch == "x86-64":
        kernel.check([normal(11, 40), normal(40, 77, seed=1), normal(77, seed=2)], target=find("cpu:x86-64-v3"))
    text, _ = kernel.lower(find("cpu:aarch64"))
    assert "vector<4xf32>" in text and "math.erf" not in text


def test_epilogues_without_vector_code_are_left_to_the_loop_emitter() -> None:
    def schedule(body: Callable[..., list[ir.Value]]) -> object:
        with tw_context():
            module = ir.Module.parse(TemplateKernel([info("d0, 24"), info("24, 48")], body).level2())
            return choose_matmul_schedule(module.body.operations[0], host_target())

    def remainder(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w)], lambda v: arith.remf(v, number(3.0)))]

    def table(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w), tw.constant(np.arange(48, dtype=np.float32))], arith.addf)]

    assert schedule(remainder) is None and schedule(table) is None
    assert schedule(lambda x, w: [tw.build("matmul", x, w)]) is not None
