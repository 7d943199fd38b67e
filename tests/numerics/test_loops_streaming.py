"""Results that bypass the caches: the same numbers, wherever the memory starts and however the units are split."""

from __future__ import annotations

import numpy as np
import pytest
from level3_runner import aligned, run_level3
from loop_kernels import Kernel, build

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.targets import find


def softmax_kernel(dtype: str, target: str) -> Kernel:
    def body(x: ir.Value, g: ir.Value) -> ir.Value:
        return tw.pointwise([tw.build("softmax", x, dim=1), g], lambda a, b: arith.mulf(a, b))

    row = (("d0", "d1"), dtype)
    return build("kernel", [row, row], body, target=find(target))


def exact(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    shifted = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True) * g


@pytest.mark.parametrize("target", ["native", "cpu:x86-64-v3"])
@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("columns", [2048, 2050])
def test_large_rows(target: str, offset: int, columns: int) -> None:
    """Bypassing needs rows that start lines; others take the ordinary stores."""
    rows = 700
    kernel = softmax_kernel("f32", target)
    assert "nontemporal" in kernel.level3
    generator = np.random.default_rng(0)
    x, g, out = (aligned((rows, columns), np.float32, offset) for _ in range(3))
    x[...], g[...], out[...] = generator.normal(size=x.shape), generator.normal(size=x.shape), np.nan
    for low, high in ((0, 333), (333, rows)):
        run_level3(kernel.level3, "kernel", [x, g, out], [rows, columns], lo=low, hi=high, target=find(target))
    assert np.abs(out - exact(x, g)).max() < 1e-6


def test_large_rows_of_f16() -> None:
    rows, columns = 1400, 2048
    kernel = softmax_kernel("f16", "native")
    generator = np.random.default_rng(0)
    x, g, out = (aligned((rows, columns), np.float16) for _ in range(3))
    x[...], g[...], out[...] = generator.normal(size=x.shape), generator.normal(size=x.shape), np.nan
    run_level3(kernel.level3, "kernel", [x, g, out], [rows, columns])
    assert np.abs(out - exact(x.astype(np.float32), g)).max() < 1e-4
