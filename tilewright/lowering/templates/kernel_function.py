"""The level 3 function around a kernel's code: its signature and attributes (docs/levels.md, level 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import func, ir
from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.types import element_type
from tilewright.lowering.templates.index_math import IndexMath
from tilewright.lowering.templates.memory import Flat, flat_view


@dataclass(frozen=True)
class KernelBody:
    """What the code of a kernel starts from: flat inputs and outputs, scratch, index arithmetic that knows the symbols, the range."""

    inputs: list[Flat]
    outputs: list[Flat]
    scratch: ir.Value
    index: IndexMath
    lo: ir.Value
    hi: ir.Value


def symbol_order(names: Sequence[str]) -> list[str]:
    """Symbols in the order of arguments: `d2` before `d10`."""
    return sorted(names, key=lambda name: (name.rstrip("0123456789"), int(name[len(name.rstrip("0123456789")) :] or 0)))


def emit_kernel_function(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    symbols: Sequence[str],
    emit: Callable[[KernelBody], tuple[Dim, Dim]],
) -> ir.OpView:
    """A level 3 function at the current insertion point. `inputs` and `outputs` are element types.

    `emit` writes the code and returns the number of units and the bytes of scratch, which become `tw.trip_count` and `tw.scratch`.
    """
    index_type = ir.IndexType.get()
    storage = [element_type("i8" if dtype == "i1" else dtype) for dtype in (*inputs, *outputs)]
    pointers = [ir.MemRefType.get([], kind) for kind in (*storage, element_type("i8"))]
    ordered = symbol_order(symbols)
    function = func.FuncOp(name, ir.FunctionType.get([*pointers, *[index_type] * (len(ordered) + 2)], []))
    # Inputs and outputs never alias (level 3), and scratch is the thread's own.
    no_alias = ir.DictAttr.get({"llvm.noalias": ir.UnitAttr.get()})
    function.arg_attrs = [no_alias] * len(pointers) + [ir.DictAttr.get({})] * (len(ordered) + 2)
    block = function.add_entry_block()
    with ir.InsertionPoint(block):
        arguments = list(block.arguments)
        count = len(inputs) + len(outputs)
        index = IndexMath(dict(zip(ordered, arguments[count + 1 : -2], strict=True)))
        flats = [flat_view(pointer, dtype, index) for pointer, dtype in zip(arguments[:count], (*inputs, *outputs), strict=True)]
        body = KernelBody(flats[: len(inputs)], flats[len(inputs) :], arguments[count], index, arguments[-2], arguments[-1])
        trip_count, scratch = emit(body)
        func.ReturnOp([])
    function.attributes["tw.trip_count"] = ir.StringAttr.get(str(trip_count))
    function.attributes["tw.scratch"] = ir.StringAttr.get(str(scratch))
    return function
