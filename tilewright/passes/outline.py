"""`tw-outline`: kernels become functions; equal kernels become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import func, ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, Expr, symbol
from tilewright.dialects import tw


@register_pass
@dataclass(frozen=True)
class Outline(Pass):
    """Move every `tw.kernel` into a private function of its own and launch it; kernels that are equal share one function.

    The function's symbols are `d0, d1, ...` in order of appearance, so kernels of different layers compare equal; the launch binds them. An
    argument that is a weight at the launch carries `tw.weight`.

    Before: `%2 = "tw.kernel"(%x, %w) ({...})`
    After: `%2 = "tw.launch"(%x, %w) {callee = @matmul_pointwise, symbols = {d0 = "s0"}}` and `func.func private @matmul_pointwise`
    """

    name: ClassVar[str] = "tw-outline"

    def run(self, module: ir.Module) -> None:
        outlined: dict[str, str] = {}
        names: set[str] = {ir.StringAttr(f.operation.attributes["sym_name"]).value for f in tw.functions(module)}
        for function in list(tw.functions(module)):
            if "tw.kernel" in function.operation.attributes:
                continue
            ranges = tw.symbols_of(function)
            for op in list(function.operation.regions[0].blocks[0].operations):
                if tw.is_op(op, "kernel"):
                    _outline(module, op.operation, ranges, outlined, names)


def _outline(
    module: ir.Module, kernel: ir.Operation, ranges: dict[str, tuple[int, int]], outlined: dict[str, str], names: set[str]
) -> None:
    block = kernel.regions[0].blocks[0]
    is_weight = [not isinstance(v.owner, ir.Block) and tw.is_op(v.owner, "weight") for v in kernel.operands]
    renamed = _symbol_names(block)
    # Layers repeat under the same symbols: their regions print alike, and need no function to be compared.
    region = str(kernel.get_asm(use_local_scope=True)).partition("({")[2] + str(is_weight)
    name = outlined.get(region)
    if name is None:
        function = _make_function(module, kernel, block, renamed, ranges, is_weight)
        text = str(function)
        name = outlined.get(text)
        if name is None:
            name = _unique(_describe(block), names)
            names.add(name)
            outlined[text] = name
            function.attributes["sym_name"] = ir.StringAttr.get(name)
        else:
            function.operation.erase()
        outlined[region] = name
    attributes: dict[str, ir.Attribute] = {"callee": ir.FlatSymbolRefAttr.get(name)}
    if renamed:
        attributes["symbols"] = ir.DictAttr.get({new: ir.StringAttr.get(old) for old, new in renamed.items()})
    launch = ir.Operation.create(
        "tw.launch",
        results=[r.type for r in kernel.results],
        operands=list(kernel.operands),
        attributes=attributes,
        loc=kernel.location,
        ip=ir.InsertionPoint(kernel),
    )
    for old, new in zip(kernel.results, launch.results):
        old.replace_all_uses_with(new)
    kernel.erase()


def _symbol_names(block: ir.Block) -> dict[str, str]:
    """The caller's symbols in order of appearance, mapped to the kernel's names."""
    found: dict[str, str] = {}

    def note(shape: tuple[Dim, ...]) -> None:
        for dim in shape:
            if isinstance(dim, Expr):
                for name in sorted(dim.symbols()):
                    found.setdefault(name, f"d{len(found)}")

    for argument in block.arguments:
        note(tw.tensor_info(argument).shape)
    for op in block.operations:
        for result in op.operation.results:
            note(tw.tensor_info(result).shape)
        if tw.short_name(op) != "yield":
            for attribute in tw.spec_of(op).attributes:
                value = tw.get(op, attribute.name)
                if isinstance(value, Expr):
                    note((value,))
                elif isinstance(value, tuple):
                    note(tuple(v for v in value if isinstance(v, Expr)))
    return found


def _make_function(
    module: ir.Module,
    kernel: ir.Operation,
    block: ir.Block,
    renamed: dict[str, str],
    ranges: dict[str, tuple[int, int]],
    is_weight: list[bool],
) -> func.FuncOp:
    values: dict[str, Dim] = {old: symbol(new) for old, new in renamed.items()}

    def retype(value: ir.Value) -> ir.Type:
        return tw.tensor_type(tw.tensor_info(value).substitute(values))

    inputs = [retype(a) for a in block.arguments]
    results = [retype(r) for r in kernel.results]
    with ir.InsertionPoint(module.body), kernel.location:
        function = func.FuncOp("outlined", ir.FunctionType.get(inputs, results), visibility="private")
        function.attributes["tw.kernel"] = ir.UnitAttr.get()
        function.attributes["tw.symbols"] = tw.symbols_attribute({new: ranges.get(old, (0, 2**31)) for old, new in renamed.items()})
        function.arg_attrs = [ir.DictAttr.get({"tw.weight": ir.UnitAttr.get()} if w else {}) for w in is_weight]
        body = function.add_entry_block()
    mapped: dict[ir.Value, ir.Value] = dict(zip(block.arguments, body.arguments))
    with ir.InsertionPoint(body):
        for op in block.operations:
            operands = [mapped[v] for v in op.operation.operands]
            if tw.short_name(op) == "yield":
                func.ReturnOp(operands, loc=op.location)
                continue
            clone = op.operation.clone().operation
            for i, value in enumerate(operands):
                clone.operands[i] = value
            if renamed:
                clone = _rename_symbols(clone, values)
            mapped.update(zip(op.operation.results, clone.results))
    return function


def _rename_symbols(op: ir.Operation, values: dict[str, Dim]) -> ir.Operation:
    """The op with symbols renamed in its result types and size attributes (a new op where types change)."""
    spec = tw.spec_of(op)
    infos = [tw.tensor_info(r) for r in op.results]
    changed = [i.substitute(values) for i in infos]
    attributes = {_attribute_name(a): op.attributes[_attribute_name(a)] for a in op.attributes}
    for attribute in spec.attributes:
        if attribute.name in attributes and attribute.kind.name in ("DIM", "DIMS"):
            value = tw.get(op, attribute.name)
            dims = value if isinstance(value, tuple) else (value,)
            shape = tuple(d.substitute(values) if isinstance(d, Expr) else d for d in dims)
            attributes[attribute.name] = ir.StringAttr.get(tw.format_shape(shape))
    if changed == infos and all(attributes[k] == op.attributes[k] for k in attributes):
        return op
    new = ir.Operation.create(
        op.name,
        results=[tw.tensor_type(i) for i in changed],
        operands=list(op.operands),
        attributes=attributes,
        regions=len(op.regions),
        loc=op.location,
        ip=ir.InsertionPoint(op),
    )
    for old_region, new_region in zip(op.regions, new.regions):
        for inner in list(old_region.blocks):
            inner.append_to(new_region)
    op.erase()
    return new


def _attribute_name(attribute: object) -> str:
    return attribute if isinstance(attribute, str) else attribute.name  # type: ignore[attr-defined]


_UNNAMED = ("constant", "iota", "dim", "reshape", "broadcast", "unpack", "yield")
_LONGEST = 4


def _describe(block: ir.Block) -> str:
    """A readable name: the ops in order, repeated ones once, pointwise ops by what they compute: `matmul_add_erf`."""
    words: list[str] = []
    for op in block.operations:
        name = tw.short_name(op) or ""
        for word in _pointwise_words(op) if name == "pointwise" else () if name in _UNNAMED else (name,):
            if not words or words[-1] != word:
                words.append(word)
    return "_".join(words[:_LONGEST]) or "copy"


def _pointwise_words(op: ir.OpView) -> list[str]:
    """The math functions of a pointwise region, after its first arithmetic op: `add`, `mul_tanh`, `cast`."""
    names = [inner.operation.name for inner in tw.body(op).operations]
    arithmetic = [n.removeprefix("arith.").rstrip("fi") for n in names if n in _ARITHMETIC]
    functions = list(dict.fromkeys(n.removeprefix("math.") for n in names if n.startswith("math.")))
    return (arithmetic[:1] + functions[:2]) or ["map"]


_ARITHMETIC = {f"arith.{name}{kind}" for name in ("add", "sub", "mul", "div", "cmp") for kind in ("f", "i")}


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name}_{i}" for i in range(1, len(taken) + 2) if f"{name}_{i}" not in taken)
