"""Modules with kernels for GPUs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tilewright.core.mlir import ir, new_context
from tilewright.dialects import tw

Parse = Callable[[str], ir.Module]

KERNELS = """
func.func private @add(%x: tensor<?x64xf32, "d0, 64">, %y: tensor<64xf32>) -> tensor<?x64xf32, "d0, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.pointwise"(%x, %y) ({
  ^bb0(%p: f32, %q: f32):
    %z = arith.addf %p, %q : f32
    "tw.yield"(%z) : (f32) -> ()
  }) : (tensor<?x64xf32, "d0, 64">, tensor<64xf32>) -> tensor<?x64xf32, "d0, 64">
  return %0 : tensor<?x64xf32, "d0, 64">
}
func.func private @project(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> attributes {tw.kernel} {
  %0 = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32> loc("model.py":12:3)
  return %0 : tensor<4x16xf32>
}
func.func private @softmax(%x: tensor<?x2048xf32, "d2, 2048">, %n: tensor<?xf32, "d10">) -> tensor<?x2048xf32, "d2, 2048">
    attributes {tw.kernel, tw.symbols = {d10 = array<i64: 1, 4096>, d2 = array<i64: 1, 4096>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x2048xf32, "d2, 2048">) -> tensor<?x2048xf32, "d2, 2048">
  return %0 : tensor<?x2048xf32, "d2, 2048">
}
func.func private @running_sum(%x: tensor<4x8xf32>) -> tensor<4x8xf32> attributes {tw.kernel} {
  %0 = "tw.scan"(%x) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32> loc("model.py":20:5)
  %1 = "tw.scan"(%0) {dim = 0 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32> loc("model.py":21:5)
  return %1 : tensor<4x8xf32>
}
"""


@pytest.fixture
def parse() -> Parse:
    """Reads a module in a new context that knows `tw`, and verifies it."""

    def read(text: str) -> ir.Module:
        context = new_context()
        tw.load(context)
        with context:
            module = ir.Module.parse(text)
            tw.verify(module)
        return module

    return read


@pytest.fixture
def module(parse: Parse) -> ir.Module:
    """Two kernels with a lowering for GPUs and two without."""
    return parse(KERNELS)
