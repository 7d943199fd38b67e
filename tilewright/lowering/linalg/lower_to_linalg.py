"""`tw-lower-to-linalg`: kernels of `tw` ops become kernels of linalg generics on tensors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import func, ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder
from tilewright.lowering.linalg.registry import lowering_of

TEMPLATES = ("matmul", "attention", "attention-decode")
"""Schedule kinds whose kernels are emitted by a template instead."""


@register_pass
@dataclass(frozen=True)
class LowerToLinalg(Pass):
    """Lower every kernel that is scheduled as loops to `linalg.generic` on tensors, with one index argument per symbol.

    Before: `func.func private @k(%x: tensor<?xf32, "d0">) -> ... { "tw.pointwise"(%x) ... }`
    After: `func.func private @k(%x: tensor<?xf32, "d0">, %d0: index) -> ... { linalg.generic ... }`

    Movement becomes indexing maps or loads at computed indices. `tw.scan`, `tw.scatter` and `tw.argmax` stay. Raises UnsupportedError
    that lists every op without a lowering.
    """

    name: ClassVar[str] = "tw-lower-to-linalg"

    def run(self, module: ir.Module) -> None:
        kernels = [f for f in tw.functions(module) if is_loop_kernel(f)]
        check_lowerable(kernels)
        for function in kernels:
            lower_function(function)


def is_loop_kernel(function: ir.OpView) -> bool:
    """Whether a function is a kernel that the loop emitter lowers."""
    attributes = function.operation.attributes
    if "tw.kernel" not in attributes:
        return False
    if "tw.schedule" not in attributes:
        return True
    schedule = ir.DictAttr(attributes["tw.schedule"])
    return "kind" not in schedule or ir.StringAttr(schedule["kind"]).value not in TEMPLATES


def check_lowerable(kernels: list[ir.OpView]) -> None:
    """Raises UnsupportedError naming each kind of op without a lowering, how often it occurs, and where."""
    places: dict[str, list[str]] = {}
    for function in kernels:
        for op in function.operation.regions[0].blocks[0].operations:
            name = tw.short_name(op)
            if op.operation.name == "func.return" or (name is not None and lowering_of(name) is not None):
                continue
            places.setdefault(op.operation.name, []).append(tw.location_text(op.location) or "an unknown place")
    if places:
        lines = []
        for name, where in sorted(places.items()):
            shown = ", ".join(f"{p} ({n} times)" if n > 1 else p for p, n in Counter(where).most_common(4))
            lines.append(f"{name}: {len(where)} at {shown}")
        raise UnsupportedError(
            f"{len(places)} kind{'s' * (len(places) > 1)} of op{'s have' if len(places) > 1 else ' has'} no lowering to loops",
            why="\n".join(lines),
            remedy="decompose them into supported ops",
        )


def lower_function(function: ir.OpView) -> ir.OpView:
    """Replace one kernel function; returns the new one."""
    operation = function.operation
    names = sorted(tw.symbols_of(function), key=lambda n: (len(n), n))
    source = operation.regions[0].blocks[0]
    old = ir.FunctionType(ir.TypeAttr(operation.attributes["function_type"]).value)
    with function.location, ir.InsertionPoint(operation):
        index = ir.IndexType.get()
        lowered = func.FuncOp(
            ir.StringAttr(operation.attributes["sym_name"]).value, ir.FunctionType.get([*old.inputs, *[index] * len(names)], old.results)
        )
        for attribute in operation.attributes:
            name = attribute if isinstance(attribute, str) else attribute.name
            if name not in ("sym_name", "function_type", "arg_attrs", "res_attrs"):
                lowered.operation.attributes[name] = operation.attributes[name]
        block = lowered.add_entry_block()
    arguments = list(block.arguments)
    values: dict[ir.Value, ir.Value] = dict(zip(source.arguments, arguments))
    with ir.InsertionPoint(block):
        builder = LinalgBuilder(dict(zip(names, arguments[len(old.inputs) :])), values)
        for op in source.operations:
            with op.location:
                if op.operation.name == "func.return":
                    func.ReturnOp([values[v] for v in op.operation.operands])
                    continue
                lowering = lowering_of(tw.short_name(op) or "")
                if lowering is None:
                    raise UnsupportedError(f"{op.operation.name} has no lowering to loops", where=tw.location_text(op.location))
                results = lowering(builder, op)
                results = [results] if isinstance(results, ir.Value) else list(results)
                values.update(zip(op.operation.results, results))
    operation.erase()
    return lowered
