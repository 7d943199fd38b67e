"""Running sums, by vectors and lines, and scatter, which goes in order and says so."""

from __future__ import annotations

import numpy as np
import pytest
from level3_runner import run_level3
from loop_kernels import TARGETS, build, check

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw

RNG = np.random.default_rng(0)
MATRIX = ("d0", "d1")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize(
    ("dtype", "kind"), [("i64", "add"), ("f32", "add"), ("f32", "mul"), ("i32", "mul"), ("f16", "add"), ("i8", "add"), ("f64", "add")]
)
def test_scan(dim: int, dtype: str, kind: str, target: str) -> None:
    x = RNG.integers(1, 3, (3, 5, 83)).astype(tw.numpy_dtype(dtype))
    x[..., 20:] = 1
    function = np.cumsum if kind == "add" else np.cumprod
    tolerance = 2e-3 if dtype == "f16" else 2e-6
    expected = function(x.astype(np.float64), dim).astype(tw.numpy_dtype(dtype))
    shape = ("d0", "d1", "d2")
    kernel = check([(shape, dtype)], lambda x: tw.build("scan", x, dim=dim, kind=kind), [x], expected, target, tolerance)
    assert kernel.slow_path is None
    assert kernel.trip_count == {0: "d1", 1: "d0", 2: "d0*d1"}[dim]


def test_lines_of_a_running_sum_are_independent() -> None:
    x = RNG.standard_normal((7, 100)).astype(np.float32)
    kernel = build("kernel", [(MATRIX, "f32")], lambda x: tw.build("scan", x, dim=1, kind="add"))
    whole, parts = np.zeros_like(x), np.zeros_like(x)
    run_level3(kernel.level3, "kernel", [x, whole], [7, 100])
    for low, high in ((0, 3), (3, 4), (4, 7)):
        run_level3(kernel.level3, "kernel", [x, parts], [7, 100], lo=low, hi=high)
    assert (whole == parts).all()
    assert np.abs(whole - x.astype(np.float64).cumsum(1)).max() < 1e-5


def test_positions_from_an_attention_mask() -> None:
    mask = RNG.integers(0, 2, (3, 33))

    def body(m: ir.Value) -> ir.Value:
        return tw.pointwise([tw.build("scan", m, dim=1), m], lambda a, b: arith.muli(a, b))

    kernel = check([(MATRIX, "i64")], body, [mask], mask.cumsum(1) * mask, "native")
    assert kernel.scratch == "64*ceildiv(8*d0*d1, 64)"


def test_scatter_sets_adds_and_leaves_out_what_is_outside() -> None:
    x, updates, rows = RNG.standard_normal((9, 7)), RNG.standard_normal((3, 7)), np.array([3, 5, 3])
    x, updates = x.astype(np.float32), updates.astype(np.float32)
    shapes = [(("d0", 7), "f32"), (("d1", 7), "f32"), (("d1",), "i64")]
    added = x.copy()
    np.add.at(added, rows, updates)
    check(shapes, lambda x, u, i: tw.build("scatter", x, u, [i], axes=[0], kind="add"), [x, updates, rows], added, "native")
    replaced = x.copy()
    replaced[2] = updates[0]
    outside = np.array([2, -1, 9])
    kernel = check(shapes, lambda x, u, i: tw.build("scatter", x, u, [i], axes=[0]), [x, updates, outside], replaced, "native")
    assert kernel.slow_path is not None and "tw.scatter" in kernel.slow_path


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["set", "add"])
def test_scatter_of_long_rows(kind: str, target: str) -> None:
    """New keys at their positions in a cache of [heads, positions, size]."""
    cache, new = RNG.standard_normal((3, 9, 83)).astype(np.float32), RNG.standard_normal((3, 2, 83)).astype(np.float32)
    positions = np.array([6, 2])
    expected = cache.copy()
    expected[:, positions] = new + (cache[:, positions] if kind == "add" else 0)
    shapes = [((3, "d0", "d1"), "f32"), ((3, 2, "d1"), "f32"), ((2,), "i64")]
    body = lambda c, n, p: tw.build("scatter", c, n, [p], axes=[1], kind=kind)  # noqa: E731
    kernel = check(shapes, body, [cache, new, positions], expected, target)
    assert "vector.store" in kernel.level3


def test_scalar_schedule_is_right_and_named() -> None:
    x = RNG.standard_normal((5, 33)).astype(np.float32)
    e = np.exp(x.astype(np.float64))
    schedule = {"kind": "scalar", "source": "test"}
    kernel = check(
        [(MATRIX, "f32")], lambda x: tw.build("softmax", x, dim=1), [x], e / e.sum(1, keepdims=True), "native", schedule=schedule
    )  # fmt: skip
    assert kernel.slow_path == "the schedule asks for one element at a time"
