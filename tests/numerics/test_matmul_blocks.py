"""Blocks of the matmul template: k split with panels in groups, panels with fewer columns, the next panel fetched meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import arith, ir, math
from tilewright.dialects import tw
from tilewright.targets import Target, find, host_target

AVX2 = find("cpu:x86-64-v3")
TARGETS = [host_target()] if host_target().arch != "x86-64" else [host_target(), AVX2]
NARROW = {"mr": 4, "nr": 16, "mb": 32, "unroll": 4, "prefetch_rhs": 8}
"""A tile for every target, blocks small enough that a test has several."""


def dense(m: int | str, n: int, k: int, **schedule: Any) -> TemplateKernel:
    return TemplateKernel(
        [info(f"{m}, {k}"), info(f"{k}, {n}"), info(f"{n}")],
        lambda x, w, b: [tw.pointwise([tw.build("matmul", x, w), b], arith.addf)],
        weights={1},
        overrides={**NARROW, **schedule},
    )


def inputs(m: int, n: int, k: int) -> list[np.ndarray]:
    return [normal(m, k), normal(k, n, seed=1), normal(n, seed=2)]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize(
    ("m", "n", "k", "k_block", "panels"), [(70, 100, 150, 64, 3), (33, 16, 97, 32, 2), (5, 190, 64, 16, 100), (64, 96, 128, 64, 1)]
)
def test_k_is_split_with_panels_in_groups(m: int, n: int, k: int, k_block: int, panels: int, target: Target) -> None:
    dense(m, n, k, k_block=k_block, panels=panels, prefetch_next=True).check(inputs(m, n, k), target)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_blocks_do_not_change_results(target: Target) -> None:
    """Sums are taken in the order of k, whatever the blocks and the threads."""
    arrays = inputs(75, 150, 200)
    (expected,) = dense("d0", 150, 200).run(arrays, target)
    for schedule in ({"k_block": 64}, {"k_block": 48, "panels": 4, "prefetch_next": True}, {"prefetch_next": True, "mb": 64}):
        kernel = dense("d0", 150, 200, **schedule)
        lowered = kernel.lower(target)
        for splits in ((), (0.3, 0.6)):
            (actual,) = kernel.run(arrays, target, splits=splits, lowered=lowered)
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("k_block", [0, 32])
def test_any_number_of_rows_meets_the_edges_of_blocks(k_block: int) -> None:
    """Few tiles read ahead in their own panel, six and more fetch the next one."""
    kernel = dense("d0", 90, 70, k_block=k_block, panels=3, prefetch_next=True)
    lowered = kernel.lower(host_target())
    for m in (0, 1, 3, 4, 7, 19, 20, 21, 23, 24, 25, 31, 32, 33, 35, 36, 64, 65, 97, 130):
        kernel.check(inputs(m, 90, 70), lowered=lowered)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("n", [1, 8, 15, 17, 33, 47, 49])
def test_last_panels_have_fewer_columns(n: int, target: Target) -> None:
    nr = 3 * target.vector_lanes(32)
    dense(21, n, 40, nr=nr, k_block=16 * (n % 2), panels=2, prefetch_next=True).check(inputs(21, n, 40), target)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_heavy_epilogues_of_panels_with_fewer_columns(target: Target) -> None:
    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [tw.pointwise([tw.build("matmul", x, w)], lambda a: math.exp(math.exp(a)))]

    nr = 3 * target.vector_lanes(32)
    for n in (5, 50, 110):
        for schedule in ({}, {"k_block": 16, "panels": 2}):
            kernel = TemplateKernel([info("d0, 24"), info(f"24, {n}")], body, weights={1}, overrides={**NARROW, "nr": nr, **schedule})
            kernel.check([normal(19, 24) * 0.05, normal(24, n, seed=1)], target)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("weights", [set(), {1, 2}])
@pytest.mark.parametrize("n", [96, 100])
def test_two_right_sides_in_blocks(n: int, weights: set[int], target: Target) -> None:
    def body(x: ir.Value, gate: ir.Value, value: ir.Value) -> list[ir.Value]:
        products = [tw.build("matmul", x, gate), tw.build("matmul", x, value)]
        return [tw.pointwise(products, lambda g, v: arith.mulf(arith.maximumf(g, arith.constant(g.type, 0.0)), v))]

    nr = target.vector_lanes(32)
    schedule = {**NARROW, "nr": nr, "k_block": 32, "panels": 3, "prefetch_next": True}
    kernel = TemplateKernel([info("d0, 80"), info(f"80, {n}"), info(f"80, {n}")], body, weights=weights, overrides=schedule)
    for m in (3, 65):
        kernel.check([normal(m, 80), normal(80, n, seed=1), normal(80, n, seed=2)], target)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("weights", [set(), {1, 2, 3}])
def test_ranges_of_columns_in_blocks(weights: set[int], target: Target) -> None:
    def body(x: ir.Value, q: ir.Value, k: ir.Value, v: ir.Value) -> list[ir.Value]:
        return [tw.build("matmul", x, w) for w in (q, k, v)]

    schedule = {**NARROW, "k_block": 32, "panels": 4, "prefetch_next": True}
    shapes = [info("d0, 80"), info("80, 150"), info("80, 33"), info("80, 48")]
    kernel = TemplateKernel(shapes, body, weights=weights, overrides=schedule)
    arrays = [normal(50, 80), *(normal(80, n, seed=n) for n in (150, 33, 48))]
    kernel.check(arrays, target)
    (whole, *_), (parts, *_) = kernel.run(arrays, target), kernel.run(arrays, target, splits=(0.2, 0.5, 0.9))
    np.testing.assert_array_equal(parts, whole)
