"""Kernels along rows: pointwise chains, softmax, normalizations, gathers with what follows them."""

from __future__ import annotations

import math as std_math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import loop_kernels
import numpy as np
import pytest
from level3_runner import run_level3
from loop_kernels import TARGETS, check

from tilewright.core.mlir import arith, ir, math
from tilewright.core.symbolic import parse
from tilewright.dialects import tw
from tilewright.targets import find

RNG = np.random.default_rng(0)
erf: Callable[..., np.ndarray] = np.vectorize(std_math.erf, otypes=[np.float64])


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    x = x.astype(np.float64)
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)


def layer_norm(x: np.ndarray, w: np.ndarray | float = 1.0, b: np.ndarray | float = 0.0, eps: float = 1e-5) -> np.ndarray:
    x = x.astype(np.float64)
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * w + b


def gelu_body(x: ir.Value, b: ir.Value) -> ir.Value:
    def scalar(a: ir.Value, c: ir.Value) -> ir.Value:
        f32 = ir.F32Type.get()
        half, one, root = (arith.ConstantOp(f32, v).result for v in (0.5, 1.0, 0.7071067811865476))
        s = arith.addf(a, c)
        return arith.mulf(arith.mulf(s, half), arith.addf(one, math.erf(arith.mulf(s, root))))

    return tw.pointwise([x, b], scalar)


SHAPES = [(77, 1001), (1, 1), (0, 5), (5, 0), (3, 16), (2, 64), (2, 65), (1, 4097), (300, 3)]


@pytest.mark.parametrize(("target", "shape"), [*((t, s) for t in TARGETS for s in SHAPES), ("cpu:neoverse-n1", (77, 1001))])
def test_bias_add_of_any_size(target: str, shape: tuple[int, int]) -> None:
    x, b = normal(*shape), normal(shape[1])
    body = lambda x, b: tw.pointwise([x, b], lambda a, c: arith.addf(a, c))  # noqa: E731
    check([(("d0", "d1"), "f32"), (("d1",), "f32")], body, [x, b], x + b, target)


@pytest.mark.parametrize("target", TARGETS)
def test_gelu_of_a_static_row_and_a_flat_kernel(target: str) -> None:
    x, b = normal(7, 11, 96), normal(96)
    s = (x + b).astype(np.float64)
    expected = s * 0.5 * (1 + erf(s / np.sqrt(2)))
    kernel = check([(("d0", "d1", 96), "f32"), ((96,), "f32")], gelu_body, [x, b], expected, target)
    assert kernel.slow_path is None
    full = np.broadcast_to(b, x.shape).copy()
    other = check([(("d0", "d1", 96), "f32"), (("d0", "d1", 96), "f32")], gelu_body, [x, full], expected, target)
    assert other.trip_count == "ceildiv(96*d0*d1, 4096)"


@pytest.mark.parametrize("target", TARGETS)
def test_fast_math_is_close(target: str) -> None:
    x, b = normal(5, 333), normal(333)
    s = (x + b).astype(np.float64)
    expected = s * 0.5 * (1 + erf(s / np.sqrt(2)))
    check([(("d0", "d1"), "f32"), (("d1",), "f32")], gelu_body, [x, b], expected, target, tolerance=4e-6, fast_math=True)


SOFTMAX_SHAPES = [(77, 1001), (3, 128), (1, 1), (0, 7), (4, 15), (4, 17)]


@pytest.mark.parametrize(("target", "shape"), [*((t, s) for t in TARGETS for s in SOFTMAX_SHAPES), ("cpu:neoverse-n1", (3, 128))])
def test_softmax_dynamic_and_static(target: str, shape: tuple[int, int]) -> None:
    rows, columns = shape
    x = normal(rows, columns) * 4
    sizes: tuple[tuple[int | str, ...], ...] = (("d0", "d1"), ("d0", columns))
    for size in sizes:
        check([(size, "f32")], lambda x: tw.build("softmax", x, dim=1), [x], softmax(x), target)


@pytest.mark.parametrize("target", TARGETS)
def test_softmax_of_four_dimensions_and_its_logarithm(target: str) -> None:
    x = normal(3, 4, 5, 77)
    check([(("d0", 4, "d1", 77), "f32")], lambda x: tw.build("softmax", x, dim=3), [x], softmax(x), target)
    check([(("d0", 4, "d1", "d2"), "f32")], lambda x: tw.build("softmax", x, dim=3, log=True), [x], np.log(softmax(x)), target)


@pytest.mark.parametrize("target", TARGETS)
def test_softmax_and_max_of_special_values(target: str) -> None:
    x = normal(7, 101)
    x[0, 5], x[1, 5], x[2], x[3, 5], x[4], x[5, 100] = np.nan, np.inf, -np.inf, -np.inf, 3e38, np.nan
    check([(("d0", "d1"), "f32")], lambda x: tw.build("softmax", x, dim=1), [x], softmax(x), target)
    for dim in (0, 1):
        check([(("d0", "d1"), "f32")], lambda x, d=dim: tw.build("reduce", x, dims=[d], kind="max"), [x], x.max(dim), target)


@pytest.mark.parametrize("target", [*TARGETS, "cpu:neoverse-n1"])
@pytest.mark.parametrize("width", [384, 1001, 5, "d1"])
def test_layer_norm(width: int | str, target: str) -> None:
    columns = 1001 if width == "d1" else int(width)
    x, w, b = normal(13, columns), normal(columns), normal(columns)
    kernel = check(
        [(("d0", width), "f32"), ((width,), "f32"), ((width,), "f32")], lambda x, w, b: tw.build("layer_norm", x, w, b, eps=1e-5),
        [x, w, b], layer_norm(x, w, b), target,
    )  # fmt: skip
    assert kernel.slow_path is None and kernel.scratch == "0"


@pytest.mark.parametrize("target", TARGETS)
def test_layer_norm_over_two_dimensions(target: str) -> None:
    x = normal(3, 5, 7, 11)
    expected = layer_norm(x.reshape(3, 5, 77)).reshape(x.shape)
    check([(("d0", 5, 7, 11), "f32")], lambda x: tw.build("layer_norm", x, eps=1e-5, axes=2), [x], expected, target)


@pytest.mark.parametrize("target", TARGETS)
def test_residual_and_rms_norm_give_two_outputs(target: str) -> None:
    x, r, w = normal(13, 4096), normal(13, 4096), normal(4096)
    h = (x + r).astype(np.float64)

    def body(x: ir.Value, r: ir.Value, w: ir.Value) -> list[ir.Value]:
        h = tw.pointwise([x, r], lambda a, b: arith.addf(a, b))
        return [h, tw.build("rms_norm", h, w, eps=1e-6)]

    expected = [x + r, h / np.sqrt((h * h).mean(-1, keepdims=True) + 1e-6) * w]
    check([(("d0", 4096), "f32"), (("d0", 4096), "f32"), ((4096,), "f32")], body, [x, r, w], expected, target)


@pytest.mark.parametrize("target", TARGETS)
def test_outputs_of_different_shapes_are_sections_of_one_kernel(target: str) -> None:
    x = normal(9, 50)

    def body(x: ir.Value) -> list[ir.Value]:
        total, largest = tw.build("reduce", x, dims=[1], kind="add"), tw.build("reduce", x, dims=[0], kind="max")
        return [total, tw.pointwise([x], lambda a: arith.negf(a)), largest]

    kernel = check([(("d0", "d1"), "f32")], body, [x], [x.astype(np.float64).sum(1), -x, x.max(0)], target)
    assert "+" in kernel.trip_count


@pytest.mark.parametrize("target", TARGETS)
def test_group_norm(target: str) -> None:
    x, w, b = normal(2, 12, 5, 7), normal(12), normal(12)
    expected = layer_norm(x.reshape(2, 3, -1)).reshape(x.shape) * w.reshape(12, 1, 1) + b.reshape(12, 1, 1)
    check(
        [(("d0", 12, "d1", "d2"), "f32"), ((12,), "f32"), ((12,), "f32")],
        lambda x, w, b: tw.build("group_norm", x, w, b, groups=3, eps=1e-5), [x, w, b], expected, target,
    )  # fmt: skip


@pytest.mark.parametrize("target", [*TARGETS, "cpu:neoverse-n1"])
@pytest.mark.parametrize("width", [384, 70])
def test_embedding_position_and_layer_norm(width: int, target: str) -> None:
    table, places, w, b = normal(500, width), normal(64, width), normal(width), normal(width)
    ids = RNG.integers(0, 500, (3, 17))
    ids[0, 0], ids[1, 1] = -5, 9999  # outside: clamped

    def body(table: ir.Value, ids: ir.Value, places: ir.Value, w: ir.Value, b: ir.Value) -> ir.Value:
        words = tw.build("gather", table, [ids], axes=[0])
        length = tw.tensor_info(ids).shape[1]
        near = tw.build("slice", places, starts=[0, 0], sizes=[length, width], steps=[1, 1])
        return tw.build("layer_norm", tw.pointwise([words, near], lambda a, c: arith.addf(a, c)), w, b, eps=1e-12)

    expected = layer_norm(table[np.clip(ids, 0, 499)] + places[:17], w, b, 1e-12)
    check(
        [((500, width), "f32"), (("d0", "d1"), "i64"), ((64, width), "f32"), ((width,), "f32"), ((width,), "f32")],
        body, [table, ids, places, w, b], expected, target,
    )  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_an_expensive_intermediate_without_an_output_row_goes_to_scratch(target: str) -> None:
    """tanh(x) is needed by the sum and by the result, whose elements are of another type."""
    x = normal(4, 500)

    def body(x: ir.Value) -> ir.Value:
        t = tw.pointwise([x], lambda a: math.tanh(a))
        mean = tw.build("reduce", t, dims=[1], kind="add", keep_dims=True)
        return tw.pointwise([t, mean], lambda a, m: arith.cmpf(arith.CmpFPredicate.OGT, a, m))

    t = np.tanh(x.astype(np.float64))
    kernel = check([(("d0", "d1"), "f32")], body, [x], t > t.sum(1, keepdims=True), target)
    assert kernel.scratch == "64*ceildiv(4*d1, 64)"


@pytest.mark.parametrize("unroll", [1, 2, 4, 8])
def test_unroll_knob(unroll: int) -> None:
    x = normal(5, 1001)
    schedule = {"kind": "rows", "unroll": unroll, "source": "test"}
    check([(("d0", "d1"), "f32")], lambda x: tw.build("softmax", x, dim=1), [x], softmax(x), "native", schedule=schedule)


MATRIX = (("d0", "d1"), "f32")
CUBE = (("d0", "d1", "d2"), "f32")
SPLIT: dict[str, tuple[list[tuple[tuple[int | str, ...], str]], Callable[..., Any]]] = {
    "rows": ([MATRIX, (("d1",), "f32")], gelu_body),
    "flat": ([MATRIX, MATRIX], gelu_body),
    "runs of rows": (
        [CUBE, (("d1", 1), "f32")],
        lambda x, y: tw.pointwise([tw.build("softmax", x, dim=2), y], lambda a, b: arith.mulf(a, b)),
    ),
    "columns": ([CUBE], lambda x: tw.build("softmax", x, dim=1)),
    "tiles": ([CUBE], lambda x: tw.build("transpose", x, permutation=[0, 2, 1])),
    "cut lanes": ([CUBE, CUBE], lambda x, y: tw.build("concat", [x, y], dim=2)),
    "sections": ([CUBE], lambda x: [tw.build("reduce", x, dims=[d], kind="add") for d in (2, 1, 0)]),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SPLIT)
def test_the_range_of_units_can_be_split_anywhere(name: str, target: str) -> None:
    """Also into empty parts at the end, which threads without work get."""
    inputs, body = SPLIT[name]
    machine, sizes = find(target), {"d0": 7, "d1": 37, "d2": 90}
    kernel = loop_kernels.build("kernel", inputs, body, target=machine)
    values = {s: sizes[s] for s in kernel.symbols}
    arrays = [normal(*(d if isinstance(d, int) else sizes[d] for d in shape)) for shape, _ in inputs]
    whole, parts = (loop_kernels.empty_outputs(kernel, values) for _ in range(2))
    numbers = list(values.values())
    run_level3(kernel.level3, "kernel", [*arrays, *whole], symbols=numbers, target=machine)
    total = parse(kernel.trip_count).evaluate(values)
    points = sorted({0, min(1, total), total // 3, total // 2, total})
    for lo, hi in [*pairwise(points), (total, total), (0, 0), (total // 2, total // 2), (total + 3, total + 3)]:
        run_level3(kernel.level3, "kernel", [*arrays, *parts], symbols=numbers, lo=lo, hi=hi, target=machine)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
