"""The road from level 3 text to a native call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tilewright.targets import find

SQUARE_PLUS = """
func.func @square_plus(%x: memref<f32> {llvm.noalias}, %out: memref<f32> {llvm.noalias}, %scratch: memref<i8>,
                       %d0: index, %lo: index, %hi: index) attributes {tw.trip_count = "d0", tw.scratch = "0"} {
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %n = arith.muli %d0, %c16 : index
  %xs = memref.reinterpret_cast %x to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
  %os = memref.reinterpret_cast %out to offset: [0], sizes: [%n], strides: [1] : memref<f32> to memref<?xf32>
  scf.for %i = %lo to %hi step %c1 {
    %at = arith.muli %i, %c16 : index
    %v = vector.load %xs[%at] : memref<?xf32>, vector<16xf32>
    %w = math.fma %v, %v, %v : vector<16xf32>
    vector.store %w, %os[%at] : memref<?xf32>, vector<16xf32>
  }
  return
}
"""


@pytest.mark.parametrize("target", ["native", "cpu:x86-64-v3"])
@pytest.mark.parametrize(("lo", "hi"), [(0, None), (2, 3), (1, 1)])
def test_runs_the_units_asked_for(run_level3: Callable[..., None], target: str, lo: int, hi: int | None) -> None:
    x = np.random.default_rng(0).standard_normal((5, 16), dtype=np.float32)
    out = np.zeros_like(x)
    run_level3(SQUARE_PLUS, "square_plus", [x, out], symbols=[5], lo=lo, hi=hi, target=find(target))
    expected = np.zeros_like(x)
    expected[lo:hi] = (x.astype(np.float64) ** 2 + x)[lo:hi]
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-7)
