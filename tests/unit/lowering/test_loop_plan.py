"""Which loops a kernel gets, without emitting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import arith, func, ir, new_context
from tilewright.core.symbolic import symbol
from tilewright.dialects import tw
from tilewright.lowering.linalg.lower_to_linalg import lower_function
from tilewright.lowering.loops.graph import read_kernel
from tilewright.lowering.loops.plan import Knobs, Plan, make_plan


def plan(inputs: Sequence[tuple[Sequence[int | str], str]], body: Callable[..., Any], knobs: Knobs | None = None, lanes: int = 16) -> Plan:
    context: Any = new_context()
    with context, ir.Location.unknown(context):
        tw.load(context)
        infos = [tw.TensorInfo(tuple(symbol(d) if isinstance(d, str) else d for d in shape), dtype) for shape, dtype in inputs]
        names = sorted({d for shape, _ in inputs for d in shape if isinstance(d, str)})
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            types = [tw.tensor_type(i) for i in infos]
            kernel = func.FuncOp("kernel", ir.FunctionType.get(types, []))
            block = kernel.add_entry_block()
            with ir.InsertionPoint(block):
                out = body(*block.arguments)
                results = [out] if isinstance(out, ir.Value) else list(out)
                func.ReturnOp(results)
        kernel.operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [r.type for r in results]))
        kernel.operation.attributes["tw.symbols"] = tw.symbols_attribute({n: (1, 512) for n in names})
        return make_plan(read_kernel(lower_function(kernel)), lanes, knobs or Knobs())


def sizes(axes: Sequence[Any]) -> list[str]:
    return [str(a.size) for a in axes]


def add(x: ir.Value, y: ir.Value) -> ir.Value:
    return tw.pointwise([x, y], lambda a, b: arith.addf(a, b))


def test_equal_shapes_are_one_loop() -> None:
    (section,) = plan([(("d0", "d1", 8), "f32"), (("d0", "d1", 8), "f32")], add).sections
    assert section.lane is not None and str(section.lane.size) == "8*d0*d1" and section.units == () and section.lane_block == 4096


def test_a_bias_keeps_rows() -> None:
    (section,) = plan([(("d0", "d1", 8), "f32"), ((8,), "f32")], add).sections
    assert section.lane is not None and section.lane.size == 8 and sizes(section.units) == ["d0*d1"]
    assert section.rows_per_unit == 512


def test_a_bias_of_two_dimensions_is_a_longer_row() -> None:
    (section,) = plan([(("d0", 12, 32), "f32"), ((12, 32), "f32")], add).sections
    assert section.lane is not None and section.lane.size == 384


def test_a_position_table_keeps_the_sequence_apart() -> None:
    (section,) = plan([(("d0", "d1", 384), "f32"), (("d1", 384), "f32")], add).sections
    assert section.lane is not None and str(section.lane.size) == "384*d1" and sizes(section.units) == ["d0"]


def test_merged_heads_are_split_again() -> None:
    def merge(x: ir.Value) -> ir.Value:
        batch, _, length, _ = tw.tensor_info(x).shape
        return tw.build("reshape", tw.build("transpose", x, permutation=[0, 2, 1, 3]), shape=[batch, length, 384])

    (section,) = plan([(("d0", 12, "d1", 32), "f32")], merge).sections
    assert section.kind == "rows" and section.lane is not None and section.lane.size == 32 and sizes(section.units) == ["d0", "d1", "12"]


def test_row_reductions_run_along_their_rows() -> None:
    (section,) = plan([(("d0", "d1", "d2"), "f32")], lambda x: tw.build("softmax", x, dim=2)).sections
    assert section.kind == "rows" and sizes(section.units) == ["d0*d1"] and section.lane is not None and str(section.lane.size) == "d2"


def test_column_reductions_have_independent_lanes() -> None:
    (section,) = plan([(("d0", "d1", 384), "f32")], lambda x: tw.build("reduce", x, dims=[1], kind="add")).sections
    assert section.kind == "columns" and section.lane_in_unit and section.lane_block == 64 and section.inner == ()


def test_softmax_across_rows_loops_inside_a_block_of_lanes() -> None:
    (section,) = plan([(("d0", "d1", 384), "f32")], lambda x: tw.build("softmax", x, dim=1)).sections
    assert section.lane_in_unit and sizes(section.inner) == ["d1"] and sizes(section.units) == ["d0"]


def test_transposes_are_tiled() -> None:
    (section,) = plan([(("d0", "d1"), "f32")], lambda x: tw.build("transpose", x, permutation=[1, 0])).sections
    assert section.kind == "transpose" and section.lane is not None and section.tile is not None
    assert (str(section.tile.size), str(section.lane.size)) == ("d1", "d0")
    (rows,) = plan([(("d0", "d1"), "f32")], lambda x: tw.build("transpose", x, permutation=[1, 0]), Knobs("rows")).sections
    assert rows.tile is None


def test_reductions_merge_their_loops() -> None:
    made = plan([(("d0", 4, 8), "f32")], lambda x: tw.build("reduce", x, dims=[1, 2], kind="add"))
    (domain,) = made.reductions.values()
    assert sizes(domain.axes) == ["32"]


def test_concat_splits_the_lanes() -> None:
    (section,) = plan([(("d0", 40), "f32"), (("d0", "d1"), "f32")], lambda x, y: tw.build("concat", [x, y], dim=1)).sections
    assert [str(c) for c in section.cuts] == ["40"]


def test_scalar_kernels_have_no_lanes() -> None:
    (section,) = plan([(("d0", 40), "f32")], lambda x: tw.build("softmax", x, dim=1), Knobs("scalar"), lanes=1).sections
    assert section.lane is None


def test_outputs_of_one_shape_share_a_section() -> None:
    def two(x: ir.Value, y: ir.Value) -> list[ir.Value]:
        return [add(x, y), tw.build("softmax", add(x, y), dim=1)]

    (section,) = plan([(("d0", 40), "f32"), (("d0", 40), "f32")], two).sections
    assert len(section.outputs) == 2


PAD = "%r = tensor.pad %x low[0] high[0] {\n^bb0(%i: index):\n tensor.yield %c : f32\n} : tensor<4xf32> to tensor<4xf32>"
SUBTRACTION = """
%z = tensor.empty() : tensor<f32>
%f = linalg.fill ins(%c : f32) outs(%z : tensor<f32>) -> tensor<f32>
%s = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> ()>], iterator_types = ["reduction"]}
    ins(%x : tensor<4xf32>) outs(%f : tensor<f32>) {
^bb0(%a: f32, %b: f32):
  %n = arith.subf %b, %a : f32
  linalg.yield %n : f32
} -> tensor<f32>
"""
FILL = "%f = linalg.fill ins(%c : f32) outs(%z : tensor<f32>) -> tensor<f32>"
UNFILLED = SUBTRACTION.replace("subf", "addf").replace(FILL, "").replace("outs(%f", "outs(%z")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (PAD, "tensor.pad may not stand in a linalg kernel"),
        (SUBTRACTION, "does not combine the accumulator by one operation"),
        (UNFILLED, "starts from an uninitialized tensor"),
    ],
)
def test_kernels_that_are_no_linalg_kernels_are_refused(body: str, message: str) -> None:
    head = "func.func @k(%x: tensor<4xf32>) -> tensor<4xf32> attributes {tw.symbols = {}} {\n%c = arith.constant 0.0 : f32\n"
    context: Any = new_context()
    with context, ir.Location.unknown(context):
        tw.load(context)
        parsed = ir.Module.parse(f"{head}{body}\nreturn %x : tensor<4xf32>\n}}")
        with pytest.raises(UnsupportedError, match=message):
            read_kernel(next(iter(parsed.body.operations)))
