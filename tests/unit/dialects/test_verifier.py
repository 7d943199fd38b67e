"""The verifier beyond the constraints of single ops: names, symbols, regions, the contracts of the levels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects import tw

Parse = Callable[[str], ir.Module]


def error_of(module: ir.Module, verify: Callable[[ir.Module], None] = tw.verify) -> VerifyError:
    with pytest.raises(VerifyError) as raised:
        verify(module)
    return raised.value


def test_an_unknown_op_names_near_matches(parse: Parse) -> None:
    error = error_of(parse('func.func @f(%x: tensor<4xf32>) { "tw.sofmax"(%x) : (tensor<4xf32>) -> () \n return }'))
    assert error.what == "unknown op 'tw.sofmax'" and "tw.softmax" in error.remedy


def test_an_unlike_name_points_to_the_documentation(parse: Parse) -> None:
    assert error_of(parse('func.func @f() { "tw.xyzzy"() : () -> () \n return }')).remedy == "docs/dialect.md lists all ops"


def test_the_place_is_the_source_line(parse: Parse) -> None:
    module = parse(
        'func.func @f(%x: tensor<4xi32>) { %y = "tw.softmax"(%x) {dim = 0 : i64} : (tensor<4xi32>) -> tensor<4xi32> '
        'loc(fused["encoder.layer.0", "model.py":12:7])\n return }'
    )
    assert "model.py:12:7" in error_of(module).where


def test_wrong_results_say_what_was_expected(parse: Parse) -> None:
    module = parse(
        'func.func @f(%x: tensor<4x8xf32>) { %y = "tw.transpose"(%x) {permutation = array<i64: 1, 0>} : '
        "(tensor<4x8xf32>) -> tensor<4x8xf32>\n return }"
    )
    assert error_of(module).why == "expected (tensor<8x4xf32>), got (tensor<4x8xf32>)"


@pytest.mark.parametrize(
    "op",
    [
        '"tw.softmax"(%x) {dim = 0 : i64} : (tensor<?xf32, "s1">) -> tensor<?xf32, "s1">',
        '"tw.dim"() {expr = "s1 + 1"} : () -> tensor<i64>',
        '"tw.slice"(%x) {starts = "s1 - 1", sizes = "1", steps = array<i64: 1>} : (tensor<?xf32, "s1">) -> tensor<1xf32>',
    ],
)
def test_symbols_belong_to_the_function(op: str, parse: Parse) -> None:
    module = parse(f'func.func @f(%x: tensor<?xf32, "s1">) attributes {{tw.symbols = {{s0 = array<i64: 1, 4>}}}} {{ %y = {op}\n return }}')
    assert "uses the symbol 's1', which the function does not own" in error_of(module).what


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("", "has 0 regions, expected 1"),
        ("({})", "must be one block that ends in tw.yield"),
        ("({^bb0(%a: f32): \n %b = arith.addf %a, %a : f32})", "must be one block that ends in tw.yield"),
        ('({^bb0(%a: f32):\n %b = tensor.empty() : tensor<4xf32>\n "tw.yield"(%a) : (f32) -> ()})', "'tensor.empty' may not stand in"),
    ],
)
def test_regions(region: str, message: str, parse: Parse) -> None:
    module = parse(f'func.func @f(%x: tensor<4xf32>) {{ %y = "tw.pointwise"(%x) {region} : (tensor<4xf32>) -> tensor<4xf32>\n return }}')
    assert message in error_of(module).what


def test_a_region_where_none_belongs(parse: Parse) -> None:
    op = '%y = "tw.softmax"(%x) ({^bb0: }) {dim = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>'
    module = parse(f"func.func @f(%x: tensor<4xf32>) {{ {op}\n return }}")
    assert error_of(module).what == "tw.softmax has 1 regions, expected 0"


def test_a_kernel_is_isolated(parse: Parse) -> None:
    module = parse("""
      func.func @f(%x: tensor<4xf32>, %w: tensor<4xf32>) {
        %y = "tw.kernel"(%x) ({
        ^bb0(%a: tensor<4xf32>):
          %b = "tw.concat"(%a, %w) {dim = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
          "tw.yield"(%b) : (tensor<8xf32>) -> ()
        }) : (tensor<4xf32>) -> tensor<8xf32>
        return
      }""")
    error = error_of(module)
    assert "a value from outside is used" in error.what and error.remedy == "pass the value as an operand of tw.kernel"


def test_level_1_holds_tw_ops_only(parse: Parse) -> None:
    module = parse("func.func @f(%x: tensor<4xf32>) { %y = arith.addf %x, %x : tensor<4xf32>\n return }")
    tw.verify(module)
    assert error_of(module, tw.verify_program).what == "'arith.addf' is not a tw op"


def test_level_2_computes_in_kernels_only(parse: Parse) -> None:
    module = parse('func.func @f(%x: tensor<4xf32>) { %y = "tw.softmax"(%x) {dim = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>\n return }')
    error = error_of(module, tw.verify_kernels)
    assert error.what == "'tw.softmax' computes outside a kernel" and error.remedy == "run tw-fuse and tw-outline"


def test_level_2_kernels_have_schedules(parse: Parse) -> None:
    module = parse("func.func private @k(%x: tensor<4xf32>) -> tensor<4xf32> attributes {tw.kernel} { return %x : tensor<4xf32> }")
    assert 'kernel "k" has no tw.schedule' in error_of(module, tw.verify_kernels).what
