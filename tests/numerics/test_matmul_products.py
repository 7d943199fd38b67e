"""Kernels of several matmuls of one left side: gated products (two right sides of one tile) and ranges of columns with results of
their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw
from tilewright.targets import find

TARGETS = ("native", "cpu:x86-64-v3")


def number(value: float) -> ir.Value:
    return arith.constant(ir.F32Type.get(), value)


def silu(x: ir.Value) -> ir.Value:
    return arith.divf(x, arith.addf(number(1.0), math.exp(arith.negf(x))))


def gated(x: ir.Value, gate: ir.Value, up: ir.Value) -> list[ir.Value]:
    return [tw.pointwise([tw.build("matmul", x, gate), tw.build("matmul", x, up)], lambda g, u: arith.mulf(silu(g), u))]


def gated_with_biases(x: ir.Value, gate: ir.Value, up: ir.Value, b: ir.Value, c: ir.Value) -> list[ir.Value]:
    """Each product has a chain of its own before the two meet."""
    first = tw.pointwise([tw.build("matmul", x, gate), b], lambda y, d: silu(arith.addf(y, d)))
    second = tw.pointwise([tw.build("matmul", x, up), c], arith.addf)
    return [tw.pointwise([first, second], arith.mulf)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize(("n", "k"), [(96, 64), (50, 65), (7, 1)])
def test_gated_product(n: int, k: int, packed: bool, target: str) -> None:
    kernel = TemplateKernel([info(f"d0, {k}"), info(f"{k}, {n}"), info(f"{k}, {n}")], gated, weights={1, 2} if packed else set())
    lowered = kernel.lower(find(target))
    for m in (0, 1, 9, 37):
        kernel.check([normal(m, k), normal(k, n, seed=1), normal(k, n, seed=2)], find(target), lowered=lowered)


@pytest.mark.parametrize("target", TARGETS)
def test_gated_product_with_biases(target: str) -> None:
    inputs = [info("d0, d1, 40"), info("40, 77"), info("40, 77"), info("77"), info("77")]
    kernel = TemplateKernel(inputs, gated_with_biases, weights={1, 2})
    kernel.check([normal(3, 5, 40), normal(40, 77, seed=1), normal(40, 77, seed=2), normal(77, seed=3), normal(77, seed=4)], find(target))


def test_gated_product_in_blocks_of_k() -> None:
    """Sums of both sides wait in memory between blocks."""
    kernel = TemplateKernel([info("d0, 100"), info("100, 96"), info("100, 96")], gated, weights={1, 2}, overrides={"k_block": 32})
    kernel.check([normal(21, 100), normal(100, 96, seed=1), normal(100, 96, seed=2)])


def test_product_of_both_results_and_one_alone() -> None:
    """A result that depends on one of two products that meet elsewhere belongs to their range."""

    def body(x: ir.Value, gate: ir.Value, up: ir.Value) -> list[ir.Value]:
        first, second = tw.build("matmul", x, gate), tw.build("matmul", x, up)
        return [tw.pointwise([first, second], arith.mulf), tw.pointwise([first], arith.negf)]

    kernel = TemplateKernel([info("d0, 24"), info("24, 50"), info("24, 50")], body, weights={1, 2})
    kernel.check([normal(9, 24), normal(24, 50, seed=1), normal(24, 50, seed=2)])


def check_ranges(widths: Sequence[int], residual: Sequence[bool], target: str, weights: bool, **overrides: int) -> None:
    """One matmul per width, with a bias, and where asked for a residual."""
    count, k = len(widths), 65

    def body(x: ir.Value, *values: ir.Value) -> list[ir.Value]:
        results: list[ir.Value] = []
        for i, add in enumerate(residual):
            w, b, r = values[i], values[count + i], values[2 * count + i]
            y = tw.pointwise([tw.build("matmul", x, w), b], arith.addf)
            results.append(tw.pointwise([r, y], arith.subf) if add else y)
        return results

    inputs = [info(f"d0, {k}"), *(info(f"{k}, {n}") for n in widths), *(info(f"{n}") for n in widths), *(info(f"d0, {n}") for n in widths)]
    kernel = TemplateKernel(inputs, body, weights=set(range(1, count + 1)) if weights else set(), overrides=overrides)
    lowered = kernel.lower(find(target))
    for m in (1, 9, 37):
        arrays = [
            normal(m, k),
            *(normal(k, n, seed=i) for i, n in enumerate(widths)),
            *(normal(n, seed=9 + i) for i, n in enumerate(widths)),
        ]
        kernel.check([*arrays, *(normal(m, n, seed=20 + i) for i, n in enumerate(widths))], find(target), lowered=lowered)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("weights", [True, False], ids=["packed", "plain"])
@pytest.mark.parametrize("widths", [(96, 96, 96), (100, 32, 32), (50, 50)], ids=str)
def test_ranges_of_columns(widths: tuple[int, ...], weights: bool, target: str) -> None:
    """Ranges of one width share their code, those of others have their own."""
    check_ranges(widths, [False] * len(widths), target, weights)


def test_ranges_with_epilogues_of_their_own() -> None:
    check_ranges((48, 48, 48), (True, False, True), "native", True)


def test_ranges_in_blocks_of_k() -> None:
    check_ranges((64, 64), (False, True), "native", True, k_block=32)


def test_any_split_of_the_units_gives_equal_results() -> None:
    """The ranges of one kernel are divided among threads as one."""

    def body(x: ir.Value, *weights: ir.Value) -> list[ir.Value]:
        return [tw.build("matmul", x, w) for w in weights]

    kernel = TemplateKernel([info("d0, 40"), info("40, 100"), info("40, 100"), info("40, 60")], body, weights={1, 2, 3})
    arrays = [normal(33, 40), normal(40, 100, seed=1), normal(40, 100, seed=2), normal(40, 60, seed=3)]
    lowered = kernel.lower(find("native"))
    whole = kernel.run(arrays, lowered=lowered)
    for splits in ((0.3,), (0.1, 0.5, 0.77)):
        for one, other in zip(whole, kernel.run(arrays, splits=splits, lowered=lowered)):
            assert np.array_equal(one, other)


TIED = {
    "product with its transpose": lambda x, w: [tw.build("matmul", x, w), tw.build("matmul", x, w, transpose_rhs=True)],
    "gated by itself": lambda x, w: [tw.pointwise([tw.build("matmul", x, w), tw.build("matmul", x, w, transpose_rhs=True)], arith.mulf)],
    "residual": lambda x, w: [tw.pointwise([tw.build("matmul", x, w, transpose_rhs=True), w], arith.addf)],
}


@pytest.mark.parametrize("form", TIED)
def test_weight_that_is_read_twice(form: str) -> None:
    """Its panels would serve one reader alone: it stays as it is."""
    kernel = TemplateKernel([info("40, 40"), info("40, 40")], TIED[form], weights={1})
    kernel.check([normal(40, 40), normal(40, 40, seed=1)])


def test_product_of_a_weight_with_itself() -> None:
    kernel = TemplateKernel([info("32, 48")], lambda w: [tw.build("matmul", w, w, transpose_rhs=True)], weights={0})
    kernel.check([normal(32, 48)])
