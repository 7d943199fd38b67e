"""Level 1 programs built from ops, for what no framework's module expresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tilewright.core.mlir import func, ir, new_context
from tilewright.dialects import tw
from tilewright.frontend.program import Program

LARGEST = 65536
"""The largest value of a dynamic size."""


def build_program(
    inputs: Sequence[tw.TensorInfo], body: Callable[..., ir.Value], ranges: Mapping[str, tuple[int, int]], names: Sequence[str]
) -> Program:
    """A program whose `@main` returns `body(*inputs)`, in a context of its own. `ranges` are those of the symbols, which inputs bind."""
    context = new_context()
    tw.load(context)
    with context, ir.Location.unknown():
        module = ir.Module.create()
        types = [tw.tensor_type(info) for info in inputs]
        with ir.InsertionPoint(module.body):
            function = func.FuncOp("main", ir.FunctionType.get(types, []))
        function.operation.attributes["tw.symbols"] = tw.symbols_attribute(dict(ranges))
        block = function.add_entry_block()
        with ir.InsertionPoint(block):
            result = body(*block.arguments)
            func.ReturnOp([result])
        function.operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [result.type]))
        function.arg_attrs = [ir.DictAttr.get({"tw.name": ir.StringAttr.get(name)}) for name in names]
        tw.verify_program(module)
    structure = {"kind": "tuple", "items": [{"kind": "tuple", "items": list(range(len(names)))}, {"kind": "dict", "keys": [], "items": []}]}
    return Program(module, context, {}, list(names), ["output"], structure, 0, "benchmark")
