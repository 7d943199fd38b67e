"""What `@main` at level 2 shows to the outside: inputs, outputs, symbols, weights and the memory it needs.

The host program and the artifact's manifest both follow the orders fixed here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, call, parse, simplify_dim
from tilewright.dialects.tw.types import tensor_info
from tilewright.passes.plan_memory import planned_slots, slot_offsets


@dataclass(frozen=True)
class KernelInfo:
    """What the host program must know of a compiled kernel, over the kernel's own symbols.

    `trip_count` is the number of units, `scratch` the bytes a thread needs; `symbols` are the names d0, d1, ... in argument order.
    """

    trip_count: str
    scratch: str
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class Port:
    """An input or output: its name, the dtype name of the dialect and the size expressions of its shape."""

    name: str
    dtype: str
    shape: tuple[str, ...]


@dataclass(frozen=True)
class WeightUse:
    """A weight of the program. `layout` is the text of its layout attribute, empty for the plain row-major form."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str


@dataclass(frozen=True)
class ProgramInterface:
    """The contract of one entry point. `arena_bytes` and `scratch_bytes` (per thread) are expressions over `symbols`."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    symbols: tuple[tuple[str, int, int], ...]
    weights: tuple[WeightUse, ...]
    slots: tuple[str, ...]
    arena_bytes: str
    scratch_bytes: str


def read_interface(module: ir.Module, kernels: Mapping[str, KernelInfo], entry: str = "main") -> ProgramInterface:
    """The interface of `@entry`. Raises VerifyError when the function is missing or not planned (no `tw.slots`)."""
    main = entry_function(module, entry)
    attributes = main.attributes
    slots = planned_slots(main)
    block = main.regions[0].blocks[0]
    returned = list(block.operations)[-1].operation
    weights = {weight_use(op): None for op in body(main) if op.name == "tw.weight"}
    launches = [op for op in body(main) if op.name == "tw.launch"]
    scratch = {str(size): size for size in (launch_expression(op, kernel_info(op, kernels).scratch) for op in launches) if size != 0}
    return ProgramInterface(
        inputs=_ports(block.arguments, attributes, "arg_attrs", "input"),
        outputs=_ports(returned.operands, attributes, "res_attrs", "output"),
        symbols=read_symbols(attributes),
        weights=tuple(weights),
        slots=tuple(map(str, slots)),
        arena_bytes=str(slot_offsets(slots)[-1]),
        scratch_bytes=str(_maximum(list(scratch.values()))),
    )


def entry_function(module: ir.Module, entry: str) -> ir.Operation:
    """The function `@entry`."""
    for op in module.body.operations:
        attributes = op.operation.attributes
        if "sym_name" in attributes and ir.StringAttr(attributes["sym_name"]).value == entry:
            return op.operation
    raise VerifyError(f"there is no function @{entry} in the module")


def body(function: ir.Operation) -> Iterator[ir.Operation]:
    """The operations of a function's single block."""
    for op in function.regions[0].blocks[0].operations:
        yield op.operation


def read_symbols(attributes: ir.OpAttributeMap) -> tuple[tuple[str, int, int], ...]:
    """`tw.symbols` as (name, smallest, largest) in the attribute's order."""
    if "tw.symbols" not in attributes:
        return ()
    listed = ir.DictAttr(attributes["tw.symbols"])
    result: list[tuple[str, int, int]] = []
    for named in listed:
        low, high = ir.DenseI64ArrayAttr(named.attr)
        result.append((named.name, low, high))
    return tuple(result)


def weight_use(op: ir.Operation) -> WeightUse:
    """The weight that a `tw.weight` names."""
    info = tensor_info(op.results[0])
    shape = tuple(d for d in info.shape if isinstance(d, int))
    if len(shape) != info.rank:
        raise VerifyError(f"the weight has a dynamic shape {info}", where=str(op.location))
    layout = str(op.attributes["layout"]) if "layout" in op.attributes else ""
    return WeightUse(ir.StringAttr(op.attributes["name"]).value, info.dtype, shape, layout)


def kernel_info(launch: ir.Operation, kernels: Mapping[str, KernelInfo]) -> KernelInfo:
    """The compiled kernel that a `tw.launch` calls. Raises VerifyError naming a kernel that was not compiled."""
    name = callee(launch)
    if name not in kernels:
        raise VerifyError(f"the kernel @{name} is launched but was not compiled", where=str(launch.location))
    return kernels[name]


def callee(launch: ir.Operation) -> str:
    """The name of the kernel that a `tw.launch` calls."""
    return ir.FlatSymbolRefAttr(launch.attributes["callee"]).value


def launch_symbols(launch: ir.Operation) -> dict[str, str]:
    """The kernel's symbols bound to expressions of the caller's symbols."""
    if "symbols" not in launch.attributes:
        return {}
    return {named.name: ir.StringAttr(named.attr).value for named in ir.DictAttr(launch.attributes["symbols"])}


def launch_expression(launch: ir.Operation, text: str) -> Dim:
    """An expression over the kernel's symbols as one over the caller's."""
    bound = {name: simplify_dim(parse(value)) for name, value in launch_symbols(launch).items()}
    return simplify_dim(parse(text).substitute(bound))


def _maximum(sizes: Sequence[Dim]) -> Dim:
    return functools.reduce(lambda lhs, rhs: call("max", lhs, rhs), sizes) if sizes else 0


def _ports(values: Iterable[ir.Value], attributes: ir.OpAttributeMap, key: str, default: str) -> tuple[Port, ...]:
    named = list(ir.ArrayAttr(attributes[key])) if key in attributes else []
    ports: list[Port] = []
    for i, value in enumerate(values):
        info = tensor_info(value)
        entries = ir.DictAttr(named[i]) if i < len(named) else {}
        name = ir.StringAttr(entries["tw.name"]).value if "tw.name" in entries else f"{default}{i}"
        ports.append(Port(name, info.dtype, tuple(str(d) for d in info.shape)))
    return tuple(ports)
