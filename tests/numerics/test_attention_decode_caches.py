"""The caches that the attention template for few queries reads: element types, scales, pages."""

from __future__ import annotations

import dataclasses
from typing import Any

import aarch64_runner
import numpy as np
import pytest
from template_kernels import TemplateKernel, info, normal

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.targets import find, host_target

TOLERANCES = {"f32": 1e-5, "bf16": 8e-3, "f16": 1e-3}
"""By the type of the result: what rounding to it costs."""


@dataclasses.dataclass(frozen=True)
class Cache:
    """A kernel over a cache of `dtype` with queries of `queries_dtype`; in pages of `page` keys, or in one piece where that is None."""

    dtype: str
    page: int | str | None = None
    queries: int | str = 1
    queries_dtype: str = "f32"
    heads: int = 4
    kv_heads: int = 2
    size: int = 48
    value_size: int = 40

    def kernel(self, **attributes: Any) -> TemplateKernel:
        pages = self.page is not None
        rows = f"d2, {self.kv_heads}, {self.page}" if pages else f"d0, {self.kv_heads}, d1"
        shapes = [
            info(f"d0, {self.heads}, {self.queries}, {self.size}", self.queries_dtype),
            info(f"{rows}, {self.size}", self.dtype),
            info(f"{rows}, {self.value_size}", self.dtype),
            info("d0", "i64"),
            *([info("d0, d1", "i32")] if pages else []),
            *([info(rows)] * 2 if self.dtype == "i8" else []),
        ]

        def body(q: ir.Value, k: ir.Value, v: ir.Value, lengths: ir.Value, *rest: ir.Value) -> list[ir.Value]:
            table, *scales = rest if pages else (None, *rest)
            scales = scales or [None, None]
            return tw.build_many("attention", q, k, v, None, lengths, None, None, table, *scales, scale=0.2, **attributes)

        return TemplateKernel(shapes, body, decode=True)

    def arrays(self, lengths: list[int], keys: int, queries: int = 1, length: int = 0) -> list[np.ndarray]:
        """Arrays for `keys` keys (rounded up to whole pages of `length`). Unused entries of the block table are no page."""
        batch = len(lengths)
        q = normal(batch, self.heads, queries, self.size).astype(tw.numpy_dtype(self.queries_dtype))
        leading: tuple[int, ...] = (batch, self.kv_heads, keys)
        extra: list[np.ndarray] = []
        if self.page is not None:
            columns = -(-keys // length)
            used = [-(-n // length) for n in lengths]
            table = np.full((batch, columns), -7, np.int32)
            numbers = np.random.default_rng(3).permutation(sum(used) + 2)
            for row, count in enumerate(used):
                table[row, :count] = numbers[sum(used[:row]) :][:count]
            leading, extra = (sum(used) + 2, self.kv_heads, length), [table]
        if self.dtype == "i8":
            rng = np.random.default_rng(5)
            k, v = (rng.integers(-128, 128, (*leading, size), np.int8) for size in (self.size, self.value_size))
            extra += [rng.uniform(0.005, 0.03, leading).astype(np.float32) for _ in range(2)]
        else:
            k, v = (normal(*leading, size, seed=i).astype(tw.numpy_dtype(self.dtype)) for i, size in ((1, self.size), (2, self.value_size)))
        return [q, k, v, np.array(lengths), *extra]


@pytest.mark.parametrize(
    ("dtype", "queries_dtype", "size", "value_size"),
    [
        ("bf16", "f32", 128, 64),
        ("bf16", "f32", 48, 40),
        ("bf16", "f32", 7, 32),
        ("f16", "f32", 48, 40),
        ("i8", "f32", 48, 40),
        ("i8", "f32", 7, 9),
        ("bf16", "bf16", 80, 100),
        ("f16", "f16", 64, 32),
        ("i8", "bf16", 128, 64),
        ("i8", "f16", 48, 16),
    ],
)
def test_types(dtype: str, queries_dtype: str, size: int, value_size: int) -> None:
    case = Cache(dtype, None, 1, queries_dtype, size=size, value_size=value_size)
    case.kernel().check(case.arrays([70, 0, 33, 1], 70), tolerance=TOLERANCES[queries_dtype])


@pytest.mark.parametrize("page", [1, 3, 4, 64])
def test_pages(page: int) -> None:
    """Pages that hold whole vectors of keys, whole tiles, and neither."""
    case = Cache("f32", page)
    kernel = case.kernel()
    lowered = kernel.lower(host_target())
    for lengths, keys in (([70, 0, 33, 1], 70), ([4], 4), ([200, 130], 256)):
        kernel.check(case.arrays(lengths, keys, length=page), lowered=lowered, tolerance=1e-5)


@pytest.mark.parametrize(("page", "dtype"), [(4, "bf16"), (16, "f16"), (4, "i8"), (64, "i8")])
def test_pages_of_types(page: int, dtype: str) -> None:
    case = Cache(dtype, page)
    case.kernel().check(case.arrays([70, 0, 33, 1], 70, length=page), tolerance=1e-5)


def test_length_of_pages_at_run_time() -> None:
    case = Cache("i8", "d3")
    kernel = case.kernel()
    lowered = kernel.lower(host_target())
    for page in (5, 16, 128):
        kernel.check(case.arrays([70, 0, 33, 1], 70, length=page), lowered=lowered, tolerance=1e-5)


@pytest.mark.parametrize("dtype", ["f32", "i8"])
def test_window_skips_pages(dtype: str) -> None:
    """Pages in front of the window have been given back: their entries are no pages."""
    case = Cache(dtype, 16, queries=2)
    arrays = case.arrays([120, 50], 128, queries=2, length=16)
    kernel = case.kernel(causal=True, window=40, softcap=8.0)
    # Without an offset the last query is at the end of all keys.
    (expected,) = kernel.run(arrays)
    kernel.check(arrays, tolerance=1e-5)
    arrays[4][0, : (126 - 39) // 16] = 1 << 20
    (actual,) = kernel.run(arrays)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("page", "size", "heads", "queries"),
    [(None, 64, 8, 3), (None, 128, 2, 1), (16, 128, 6, 1), (16, 64, 10, 1), (3, 64, 8, 1), (64, 320, 2, 1), (64, 320, 10, 1)],
)
def test_integers_on_tiles(page: int | None, size: int, heads: int, queries: int) -> None:
    """Whole tiles of dimensions: groups of rows that are full and not, ragged groups of keys, pages that hold no whole group, and queries
    that do not stay in registers.
    """
    case = Cache("i8", page, queries=queries, heads=heads, size=size)
    kernel = case.kernel(causal=True)
    lowered = kernel.lower(host_target())
    for lengths, keys in (([130, 0, 33, 1], 130), ([5], 5)):
        arrays = case.arrays(lengths, keys, queries, length=page or 0)
        arrays[0][:, 0] *= 1e4 if page else 1e-4
        kernel.check(arrays, lowered=lowered, tolerance=1e-5)


def test_queries_that_are_no_numbers() -> None:
    """A row of NaN, one with an infinity, one of zeros, beside one that is as ever."""
    case = Cache("i8", None, heads=8, size=64)
    kernel, arrays = case.kernel(), case.arrays([70], 70)
    arrays[0][0, 2] = 0.0
    kernel.check(arrays, tolerance=1e-5)
    (expected,) = kernel.run(arrays)
    arrays[0][0, 0, 0, 5], arrays[0][0, 1, 0, 7] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        (actual,) = kernel.run(arrays)
    assert np.isnan(actual[0, :2]).all()
    np.testing.assert_array_equal(actual[0, 2:], expected[0, 2:])


@pytest.mark.parametrize("queries", [3, 16])
def test_several_queries_on_pages(queries: int) -> None:
    case = Cache("bf16", 16, queries=queries)
    case.kernel(causal=True).check(case.arrays([128, 128], 128, queries=queries, length=16), tolerance=1e-5)


def test_any_number_of_queries_on_pages() -> None:
    case = Cache("i8", 16, queries="d3")
    kernel = case.kernel(causal=True)
    lowered = kernel.lower(host_target())
    for queries in (1, 9, 40):
        kernel.check(case.arrays([64, 50], 64, queries=queries, length=16), lowered=lowered, tolerance=1e-5)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("cpu:x86-64-v3", "bf16"), ("cpu:x86-64-v3", "f16"), ("cpu:x86-64-v3", "i8"), ("cpu:x86-64-v4", "bf16"), ("cpu:aarch64", "bf16"),
     ("cpu:aarch64", "i8")],
)  # fmt: skip
def test_other_targets(name: str, dtype: str) -> None:
    target = find(name)
    case = Cache(dtype, 8)
    kernel = case.kernel()
    lowered = kernel.lower(target)
    if target.arch != host_target().arch and (target.arch != "aarch64" or aarch64_runner.missing() is not None):
        pytest.skip(f"{name} code does not run here")
    kernel.check(case.arrays([45, 1], 48, length=8), target=target, lowered=lowered, tolerance=1e-5)
