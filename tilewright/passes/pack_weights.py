"""`tw-pack-weights`: weights of matmuls stored as the schedule reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.dialects.tw.layouts import panels_shape
from tilewright.passes.schedules.attribute import read_schedule


@register_pass
@dataclass(frozen=True)
class PackWeights(Pass):
    """Give the weight of every matmul kernel whose schedule says `rhs = "packed"` its packed type and layout.

    The kernel reads the panels through `tw.unpack`. The artifact writer packs; nothing is packed when the program runs.

    Before: `%w = "tw.weight"() {name = "w"} : () -> tensor<100x64xf32>`
    After: `%w = "tw.weight"() {layout = {kind = "panels", nr = "48", transposed = "true"}, name = "w"} : () -> tensor<3x64x48xf32>`
    """

    name: ClassVar[str] = "tw-pack-weights"

    def run(self, module: ir.Module) -> None:
        packed: dict[str, tuple[int, ir.Attribute, ir.Type]] = {}
        for function in tw.functions(module):
            schedule = read_schedule(function)
            if schedule.get("rhs") == "packed":
                found = _pack_kernel(function.operation, int(schedule["nr"]))
                if found is not None:
                    packed[ir.StringAttr(function.operation.attributes["sym_name"]).value] = found
        for function in tw.functions(module):
            if "tw.kernel" not in function.operation.attributes:
                _pack_launches(function.operation, packed)


def _pack_kernel(function: ir.Operation, nr: int) -> tuple[int, ir.Attribute, ir.Type] | None:
    block = function.regions[0].blocks[0]
    matmul = next((op.operation for op in block.operations if tw.is_op(op, "matmul")), None)
    if matmul is None:
        return None
    argument = matmul.operands[1]
    if not isinstance(argument.owner, ir.Block):
        return None
    index = ir.BlockArgument(argument).arg_number
    info = tw.tensor_info(argument)
    transposed = bool(tw.get(matmul, "transpose_rhs"))
    n, k = info.shape if transposed else reversed(info.shape)
    assert isinstance(n, int) and isinstance(k, int)
    new_type = tw.tensor_type(info.with_shape(panels_shape(k, n, nr)))
    argument.set_type(new_type)
    with ir.InsertionPoint(matmul), matmul.location:
        matmul.operands[1] = tw.build("unpack", argument, columns=n, transposed=transposed)
    old = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    inputs = [new_type if i == index else t for i, t in enumerate(old.inputs)]
    function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, old.results))
    layout = {"kind": "panels", "nr": str(nr), "transposed": "true" if transposed else "false"}
    return index, ir.DictAttr.get({name: ir.StringAttr.get(text) for name, text in layout.items()}), new_type


def _pack_launches(function: ir.Operation, packed: dict[str, tuple[int, ir.Attribute, ir.Type]]) -> None:
    made: dict[tuple[str, str], ir.Value] = {}
    replaced: list[ir.Operation] = []
    for op in list(function.regions[0].blocks[0].operations):
        if not tw.is_op(op, "launch"):
            continue
        found = packed.get(tw.get(op, "callee"))
        if found is None:
            continue
        index, layout, new_type = found
        plain = op.operation.operands[index].owner.operation
        key = (tw.get(plain, "name"), str(layout))
        if key not in made:
            weight = ir.Operation.create(
                "tw.weight",
                results=[new_type],
                attributes={"name": plain.attributes["name"], "layout": layout},
                loc=plain.location,
                ip=ir.InsertionPoint(plain),
            )
            made[key] = weight.results[0]
            replaced.append(plain)
        op.operation.operands[index] = made[key]
    for plain in replaced:
        if not list(plain.results[0].uses):
            plain.erase()
