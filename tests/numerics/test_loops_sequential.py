"""Running sums and scatter, which go element by element and say so."""

from __future__ import annotations

import numpy as np
import pytest
from loop_kernels import check

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw

RNG = np.random.default_rng(0)
MATRIX = ("d0", "d1")


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize(("dtype", "kind"), [("i64", "add"), ("f32", "add"), ("f32", "mul"), ("i32", "mul")])
def test_scan(dim: int, dtype: str, kind: str) -> None:
    x = RNG.integers(1, 3, (5, 9)).astype(tw.numpy_dtype(dtype))
    function = np.cumsum if kind == "add" else np.cumprod
    kernel = check([(MATRIX, dtype)], lambda x: tw.build("scan", x, dim=dim, kind=kind), [x], function(x.astype(np.float64), dim), "native")
    assert kernel.slow_path == "tw.scan runs in order, one element at a time, on one thread"
    assert kernel.trip_count == "1"


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


def test_scalar_schedule_is_right_and_named() -> None:
    x = RNG.standard_normal((5, 33)).astype(np.float32)
    e = np.exp(x.astype(np.float64))
    schedule = {"kind": "scalar", "source": "test"}
    kernel = check(
        [(MATRIX, "f32")], lambda x: tw.build("softmax", x, dim=1), [x], e / e.sum(1, keepdims=True), "native", schedule=schedule
    )  # fmt: skip
    assert kernel.slow_path == "the schedule asks for one element at a time"
