"""Reading `tw` ops: which op it is, its operands and attributes by name. The write side is `builder.py`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.dialects.tw.spec import Arguments, OpSpec, decode_attribute, register_op
from tilewright.dialects.tw.types import tensor_info

PREFIX = "tw."


def op_name(op: ir.Operation | ir.OpView) -> str:
    """The full name of an op: `tw.matmul`."""
    return op.operation.name


def short_name(op: ir.Operation | ir.OpView) -> str | None:
    """The name without the dialect: `matmul`; None for ops of other dialects."""
    name = op.operation.name
    return name[len(PREFIX) :] if name.startswith(PREFIX) else None


def is_op(op: ir.Operation | ir.OpView | ir.Block | None, *names: str) -> bool:
    """True when `op` is one of these `tw` ops. Accepts what `value.owner` returns."""
    return isinstance(op, ir.Operation | ir.OpView) and short_name(op) in names


def spec_of(op: ir.Operation | ir.OpView) -> type[OpSpec]:
    """The spec of a `tw` op. Raises VerifyError with near matches for an op that does not exist."""
    name = short_name(op)
    spec = register_op.specs.get(name or "")
    if spec is None:
        near = difflib.get_close_matches(name or op_name(op), register_op.specs, n=3)
        raise VerifyError(
            f"unknown op '{op_name(op)}'",
            where=location_text(op.location),
            remedy=f"did you mean {', '.join('tw.' + n for n in near)}?" if near else "docs/dialect.md lists all ops",
        )
    return spec


def operand_groups(op: ir.Operation | ir.OpView, spec: type[OpSpec] | None = None) -> dict[str, Any]:
    """Operand values by name: a value, None for an absent optional, a tuple for a variadic.

    An op with more than one optional operand says which are present in `operandSegmentSizes`. Raises VerifyError when the counts
    do not fit the spec.
    """
    spec = spec or spec_of(op)
    values = list(op.operation.operands)
    flexible = [o for o in spec.operands if o.optional or o.variadic]
    counts: list[int]
    if len(flexible) <= 1:
        rest = len(values) - (len(spec.operands) - len(flexible))
        counts = [rest if (o.optional or o.variadic) else 1 for o in spec.operands]
    else:
        if "operandSegmentSizes" not in op.operation.attributes:
            raise VerifyError(f"{op_name(op)} needs the attribute operandSegmentSizes", where=location_text(op.location))
        counts = list(ir.DenseI32ArrayAttr(op.operation.attributes["operandSegmentSizes"]))
    fits = len(counts) == len(spec.operands) and sum(counts) == len(values)
    for operand, count in zip(spec.operands, counts):
        fits = fits and (count >= 0 if operand.variadic else count in (0, 1) if operand.optional else count == 1)
    if not fits:
        expected = ", ".join(o.name + ("..." if o.variadic else "?" if o.optional else "") for o in spec.operands)
        raise VerifyError(f"{op_name(op)} takes operands ({expected}), got {len(values)}", where=location_text(op.location))
    groups: dict[str, Any] = {}
    start = 0
    for operand, count in zip(spec.operands, counts):
        part = values[start : start + count]
        start += count
        groups[operand.name] = tuple(part) if operand.variadic else (part[0] if part else None)
    return groups


def attributes_of(op: ir.Operation | ir.OpView, spec: type[OpSpec] | None = None) -> dict[str, Any]:
    """Attributes of the spec as Python values, defaults filled in. Raises VerifyError for a missing or ill-typed one."""
    spec = spec or spec_of(op)
    result: dict[str, Any] = {}
    present = op.operation.attributes
    for attribute in spec.attributes:
        if attribute.name not in present:
            if attribute.required:
                raise VerifyError(
                    f"{op_name(op)} needs the attribute '{attribute.name}' ({attribute.kind.value})", where=location_text(op.location)
                )
            result[attribute.name] = attribute.default
            continue
        try:
            result[attribute.name] = decode_attribute(attribute.kind, present[attribute.name])
        except (ValueError, TypeError) as error:
            raise VerifyError(
                f"attribute '{attribute.name}' of {op_name(op)} is not a {attribute.kind.value}: {present[attribute.name]}",
                where=location_text(op.location),
                why=str(error),
            ) from error
    return result


def get(op: ir.Operation | ir.OpView, name: str) -> Any:
    """One attribute as a Python value, its default when absent."""
    spec = spec_of(op)
    attribute = spec.attribute(name)
    if attribute is None:
        raise KeyError(f"{op_name(op)} has no attribute {name!r}")
    attributes = op.operation.attributes
    if name not in attributes:
        return attribute.default
    return decode_attribute(attribute.kind, attributes[name])


def arguments_of(op: ir.Operation | ir.OpView) -> Arguments:
    """Operand types and attributes of an op, as its constraints and inference see them."""
    spec = spec_of(op)
    groups = operand_groups(op, spec)
    infos = {
        name: tuple(tensor_info(v) for v in value) if isinstance(value, tuple) else (None if value is None else tensor_info(value))
        for name, value in groups.items()
    }
    return Arguments(infos, attributes_of(op, spec), list(op.operation.regions))


def body(op: ir.Operation | ir.OpView) -> ir.Block:
    """The single block of a region op."""
    return op.operation.regions[0].blocks[0]


def yielded(block: ir.Block) -> list[ir.Value]:
    """Operands of the `tw.yield` (or `return`) that ends a block."""
    return list(list(block.operations)[-1].operation.operands)


def location_text(location: ir.Location) -> str:
    """`file:line:col (name)` from a location; empty when unknown."""
    import re

    text = str(location)
    place = re.search(r'"([^"]+)":(\d+):(\d+)', text)
    name = re.match(r'loc\("([^"]+)"\(', text)
    parts = []
    if place:
        parts.append(f"{place[1]}:{place[2]}:{place[3]}")
    if name:
        parts.append(f"({name[1]})" if place else name[1])
    return " ".join(parts)


def is_cast(op: ir.Operation | ir.OpView) -> bool:
    """Whether an op is a `tw.pointwise` that converts between float types and does nothing else."""
    if not is_op(op, "pointwise") or len(op.operation.operands) != 1 or len(op.operation.results) != 1:
        return False
    names = [inner.operation.name for inner in body(op).operations]
    same_shape = tensor_info(op.operation.operands[0]).shape == tensor_info(op.operation.results[0]).shape
    return same_shape and names in (["arith.truncf", "tw.yield"], ["arith.extf", "tw.yield"])


def functions(module: ir.Module) -> Iterator[ir.OpView]:
    """All `func.func` of a module."""
    for op in module.body.operations:
        if op.operation.name == "func.func":
            yield op


def symbols_of(function: ir.OpView | ir.Operation) -> dict[str, tuple[int, int]]:
    """The symbols that a function owns, with inclusive ranges."""
    attributes = function.operation.attributes
    if "tw.symbols" not in attributes:
        return {}
    result: dict[str, tuple[int, int]] = {}
    for named in ir.DictAttr(attributes["tw.symbols"]):
        low, high = ir.DenseI64ArrayAttr(named.attr)
        result[named.name] = (low, high)
    return result


def symbols_attribute(ranges: dict[str, tuple[int, int]]) -> ir.Attribute:
    """The `tw.symbols` attribute for ranges."""
    return ir.DictAttr.get({name: ir.DenseI64ArrayAttr.get(list(bounds)) for name, bounds in ranges.items()})
