"""Matmuls by the slices of a weight along k, read from the panels of the whole matrix, in every element type."""

from __future__ import annotations

import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.contraction import ACCUMULATE
from tilewright.dialects.tw.types import numpy_dtype
from tilewright.targets import Target, find, host_target
from tilewright.targets.detect import read_host


def sliced(m: int | str, n: int, k: int, slices: int, transposed: bool, dtype: str = "f32") -> TemplateKernel:
    """The kernel that `tw-split-reduction` and fusion make of a matmul by a weight."""
    rows = k // slices

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        left = tw.build("transpose", x, permutation=(1, 0, 2))
        if transposed:
            right = tw.build("transpose", tw.build("reshape", w, shape=(n, slices, rows)), permutation=(1, 0, 2))
        else:
            right = tw.build("reshape", w, shape=(slices, rows, n))
        return [tw.build("matmul", left, right, transpose_rhs=transposed, accumulate=ACCUMULATE.get(dtype))]

    weight = info(f"{n}, {k}" if transposed else f"{k}, {n}", dtype)
    return TemplateKernel([info(f"{m}, {slices}, {rows}", dtype), weight], body, weights={1})


def operands(m: int, n: int, k: int, slices: int, transposed: bool, dtype: str = "f32") -> list[np.ndarray]:
    shapes = [(m, slices, k // slices), (n, k) if transposed else (k, n)]
    if dtype == "i8":
        random = np.random.default_rng(m + n)
        return [random.integers(-128, 128, shape).astype(np.int8) for shape in shapes]
    return [normal(*shape, seed=seed).astype(numpy_dtype(dtype)) for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("m", "n", "k", "slices"), [(1, 64, 96, 3), (4, 100, 64, 2), (17, 33, 60, 5), (3, 1, 40, 4), (1, 16, 16, 16)])
def test_f32(m: int, n: int, k: int, slices: int, transposed: bool) -> None:
    kernel = sliced(m, n, k, slices, transposed)
    lowered = kernel.lower(host_target())
    assert lowered[1][1]["kind"] == "panels", "the weight is packed"
    kernel.check(operands(m, n, k, slices, transposed), lowered=lowered)


def test_any_number_of_rows_and_units() -> None:
    kernel = sliced("d0", 70, 96, 4, True)
    lowered = kernel.lower(host_target())
    for m in (0, 1, 6, 13):
        inputs = operands(m, 70, 96, 4, True)
        kernel.check(inputs, lowered=lowered)
        (whole,), (parts,) = kernel.run(inputs, lowered=lowered), kernel.run(inputs, splits=(0.2, 0.7), lowered=lowered)
        np.testing.assert_array_equal(parts, whole)


NARROW = [
    ("bf16", "native", 1), ("bf16", "native", 19), ("bf16", "x86-64-v3", 5), ("f16", "native", 7), ("i8", "x86-64-v3", 5),
    ("i8", "sapphirerapids", 19),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "target_name", "m"), NARROW)
def test_narrow_types(dtype: str, target_name: str, m: int) -> None:
    """Slices of 64 rows, which every instruction reads."""
    target = _runnable(target_name)
    kernel = sliced(m, 50, 256, 4, True, dtype)
    lowered = kernel.lower(target)
    assert lowered[1][1]["kind"] == "panels", "the weight is packed"
    kernel.check(operands(m, 50, 256, 4, True, dtype), target=target, lowered=lowered, tolerance=0.0 if dtype == "i8" else 2e-5)


def test_sums_of_whole_columns_do_not_serve_slices() -> None:
    target = _runnable("icelake-server")
    kernel = sliced(3, 50, 256, 4, True, "i8")
    lowered = kernel.lower(target)
    assert lowered[1] == {}
    kernel.check(operands(3, 50, 256, 4, True, "i8"), target=target, lowered=lowered, tolerance=0.0)


@pytest.mark.parametrize("dtype", ["bf16", "i8"])
def test_slices_that_split_groups_are_not_packed(dtype: str) -> None:
    kernel = sliced(4, 40, 27, 3, False, dtype)
    lowered = kernel.lower(_runnable("native"))
    assert lowered[1] == {}
    kernel.check(operands(4, 40, 27, 3, False, dtype), lowered=lowered, tolerance=0.0 if dtype == "i8" else 2e-5)


def _runnable(name: str) -> Target:
    """The target, whose code this machine can execute; else the test is skipped."""
    target = host_target() if name == "native" else find(f"cpu:{name}")
    if target.arch != host_target().arch:
        pytest.skip(f"{name} code runs on {target.arch} only")
    missing = set(target.requires) - read_host().flags
    if missing:
        pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
    return target
