"""`tw-pack-weights`: weights of matmuls stored as the schedule reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.dialects.tw.layouts import panels_shape
from tilewright.passes.schedules.attribute import read_schedule
from tilewright.passes.schedules.matmul import MatmulSchedule
from tilewright.passes.schedules.matmul_instructions import LAYOUTS, OperandLayout, why_unfit
from tilewright.passes.schedules.matmul_kernel import RhsMatrix, cast_source, column_ranges, is_packable, rhs_matrix

Packs = dict[int, tuple[ir.Attribute, ir.Type]]
"""Layout and packed type of the arguments of a kernel that are packed, by position."""


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
        packed: dict[str, Packs] = {}
        for function in tw.functions(module):
            schedule = read_schedule(function)
            if schedule.get("rhs") == "packed":
                packed[ir.StringAttr(function.operation.attributes["sym_name"]).value] = pack_kernel(function, schedule)
        for function in tw.functions(module):
            if "tw.kernel" not in function.operation.attributes:
                _pack_launches(function.operation, packed)


def pack_kernel(function: ir.OpView, schedule: Mapping[str, Any]) -> Packs:
    """Let the matmuls of a kernel read panels as the entries of its `tw.schedule` say: its arguments get their packed types.

    Returns these by argument. Raises VerifyError for an instruction that does not multiply the operands' types, and for right
    sides that are no weights.
    """
    packs: Packs = {}
    read = MatmulSchedule.from_attributes(schedule)
    readers = [(matmul, rhs_matrix(matmul)) for columns in column_ranges(function) for matmul in columns.matmuls]
    for matmul, matrix in readers:
        argument = cast_source(matrix.value)
        if isinstance(argument.owner, ir.Block) and not is_packable(function, argument):
            raise _cannot(matmul, "its right side is not a constant matrix, or is one that other ops read too")
    for matmul, matrix in readers:
        argument = cast_source(matrix.value)
        if isinstance(argument.owner, ir.Block):
            packs[ir.BlockArgument(argument).arg_number] = _pack_operand(matmul, argument, matrix, read)
    attributes = function.operation.attributes
    old = ir.FunctionType(ir.TypeAttr(attributes["function_type"]).value)
    inputs = [packs[i][1] if i in packs else t for i, t in enumerate(old.inputs)]
    attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, old.results))
    return packs


def _pack_operand(matmul: ir.Operation, argument: ir.Value, matrix: RhsMatrix, schedule: MatmulSchedule) -> tuple[ir.Attribute, ir.Type]:
    info = tw.tensor_info(argument)
    transposed = bool(tw.get(matmul, "transpose_rhs"))
    n, k = info.shape if transposed else reversed(info.shape)
    assert isinstance(n, int) and isinstance(k, int)
    operand = tw.tensor_info(matmul.operands[1]).dtype
    why = why_unfit(schedule.instruction, operand, k // matrix.slices) or _why_not_sliced(matrix, k, LAYOUTS[operand][schedule.instruction])
    if why is not None:
        raise _cannot(matmul, why)
    operands = LAYOUTS[operand][schedule.instruction]
    nr, group, offset = schedule.nr, operands.group, operands.lhs_offset
    new_type = tw.tensor_type(tw.TensorInfo(panels_shape(k, n, nr, group, offset), operand))
    argument.set_type(new_type)
    reader, position = (matmul, 1) if matrix.split is None else (matrix.split, 0)
    with ir.InsertionPoint(reader), reader.location:
        rows = k if group != 1 else None
        reader.operands[position] = tw.build("unpack", argument, columns=n, rows=rows, transposed=transposed, lhs_offset=offset or None)
    layout = {"kind": "panels", "nr": str(nr), "transposed": "true" if transposed else "false"}
    if group != 1:
        layout["group"] = str(group)
    if offset:
        layout["lhs_offset"] = str(offset)
    if operand != info.dtype:
        layout["dtype"] = operand
    return ir.DictAttr.get({name: ir.StringAttr.get(text) for name, text in layout.items()}), new_type


def _cannot(matmul: ir.Operation, why: str) -> VerifyError:
    return VerifyError(
        "a weight cannot be packed for the schedule of its kernel",
        where=tw.location_text(matmul.location),
        why=why,
        remedy="remove tw.schedule and let tw-select-schedule choose one",
    )


def _why_not_sliced(matrix: RhsMatrix, k: int, layout: OperandLayout) -> str | None:
    """Why panels of a whole matrix with `k` rows cannot be read by slices; None if they can."""
    if matrix.slices == 1:
        return None
    if layout.lhs_offset:
        return "panels hold sums of whole columns, slices along k would need their own"
    rows = k // matrix.slices
    return f"slices of {rows} rows are not made of whole groups of {layout.group}" if rows % layout.group else None


def _pack_launches(function: ir.Operation, packed: dict[str, Packs]) -> None:
    made: dict[tuple[str, str], ir.Value] = {}
    replaced: list[ir.Operation] = []
    for op in list(function.regions[0].blocks[0].operations):
        if not tw.is_op(op, "launch"):
            continue
        found = packed.get(tw.get(op, "callee"))
        if found is None:
            continue
        for index, (layout, new_type) in found.items():
            plain = op.operation.operands[index].owner.operation
            whole = _with_part(layout, plain)
            key = (tw.get(plain, "name"), str(whole))
            if key not in made:
                weight = ir.Operation.create(
                    "tw.weight",
                    results=[new_type],
                    attributes={"name": plain.attributes["name"], "layout": whole},
                    loc=plain.location,
                    ip=ir.InsertionPoint(plain),
                )
                made[key] = weight.results[0]
                replaced.append(plain)
            op.operation.operands[index] = made[key]
    for plain in replaced:
        if not list(plain.results[0].uses):
            plain.erase()


def _with_part(layout: ir.Attribute, plain: ir.Operation) -> ir.Attribute:
    """`layout`, which keeps the part and the element type in which the plain weight is stored already."""
    old = tw.get(plain, "layout") or {}
    kept = {name: ir.StringAttr.get(text) for name, text in old.items() if name != "kind"}
    return ir.DictAttr.get({**kept, **{named.name: named.attr for named in ir.DictAttr(layout)}})
