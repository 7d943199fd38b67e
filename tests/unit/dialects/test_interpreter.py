"""Running programs on the references."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tilewright.core.diagnostics import InputError
from tilewright.core.mlir import ir
from tilewright.dialects.tw.interpreter import run

Parse = Callable[[str], ir.Module]

LEVEL_2 = """
func.func @main(%x: tensor<?x?xf32, "s0, s1">) -> tensor<?x?xf32, "s0, s1">
    attributes {tw.symbols = {s0 = array<i64: 1, 9>, s1 = array<i64: 1, 9>}} {
  %0 = "tw.reshape"(%x) {shape = "s0*s1"} : (tensor<?x?xf32, "s0, s1">) -> tensor<?xf32, "s0*s1">
  %1 = "tw.launch"(%0) {callee = @double_0, symbols = {d0 = "s0*s1"}} : (tensor<?xf32, "s0*s1">) -> tensor<?xf32, "s0*s1">
  %2 = "tw.reshape"(%1) {shape = "s0, s1"} : (tensor<?xf32, "s0*s1">) -> tensor<?x?xf32, "s0, s1">
  return %2 : tensor<?x?xf32, "s0, s1">
}
func.func private @double_0(%x: tensor<?xf32, "d0">) -> tensor<?xf32, "d0">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 81>}, tw.schedule = {kind = "loops", source = "test"}} {
  %0 = "tw.pointwise"(%x) ({
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    "tw.yield"(%b) : (f32) -> ()
  }) : (tensor<?xf32, "d0">) -> tensor<?xf32, "d0">
  return %0 : tensor<?xf32, "d0">
}"""


def test_launches_bind_the_symbols_of_the_kernel(parse: Parse) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    seen: list[str] = []
    (result,) = run(parse(LEVEL_2), [x], observe=lambda op, results: seen.append(op.name))
    np.testing.assert_array_equal(result, 2 * x)
    assert seen == ["tw.reshape", "tw.pointwise", "tw.launch", "tw.reshape"]


def test_kernel_regions(parse: Parse) -> None:
    module = parse("""
      func.func @main(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
        %y = "tw.kernel"(%x) ({
        ^bb0(%a: tensor<2x4xf32>):
          %b = "tw.scan"(%a) {dim = 1 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
          "tw.yield"(%b) : (tensor<2x4xf32>) -> ()
        }) : (tensor<2x4xf32>) -> tensor<2x4xf32>
        return %y : tensor<2x4xf32>
      }""")
    np.testing.assert_array_equal(run(module, [np.ones((2, 4), np.float32)])[0], [[1, 2, 3, 4]] * 2)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 3), (2, 4)], r"input '1' has size 4 in dimension 1, expected 3 \(s1\)"),
        ([(2,), (2, 3)], "input '0' has rank 1, expected 2"),
        ([(2, 3)], "takes 2 inputs, got 1"),
    ],
)
def test_inputs_that_do_not_fit(shapes: list[tuple[int, ...]], message: str, parse: Parse) -> None:
    module = parse("""
      func.func @main(%x: tensor<?x?xf32, "s0, s1">, %y: tensor<?x?xf32, "s0, s1">) -> tensor<?x?xf32, "s0, s1">
          attributes {tw.symbols = {s0 = array<i64: 1, 9>, s1 = array<i64: 1, 9>}} { return %x : tensor<?x?xf32, "s0, s1"> }""")
    with pytest.raises(InputError, match=message):
        run(module, [np.zeros(shape, np.float32) for shape in shapes])


def test_an_unknown_function(parse: Parse) -> None:
    with pytest.raises(InputError, match=r"no function 'decode' in the module(.|\n)*main"):
        run(parse("func.func @main() { return }"), [], function="decode")


def test_ops_of_other_dialects(parse: Parse) -> None:
    module = parse("""
      func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
        %y = arith.addf %x, %x : tensor<4xf32>
        return %y : tensor<4xf32>
      }""")
    with pytest.raises(InputError, match=r"the interpreter runs tw ops only, not arith\.addf"):
        run(module, [np.zeros(4, np.float32)])
