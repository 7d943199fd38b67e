"""The verifier of `tw`: every op against its spec, every function against the contracts of its level (docs/levels.md)."""

from __future__ import annotations

from collections.abc import Collection

from tilewright.core.diagnostics import VerifyError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects.tw.access import arguments_of, functions, is_op, location_text, op_name, short_name, spec_of, symbols_of
from tilewright.dialects.tw.spec import Arguments, Kind, OpSpec
from tilewright.dialects.tw.types import TensorInfo, tensor_info

_SCALAR_DIALECTS = ("arith.", "math.")


def check_constraints(spec: type[OpSpec], args: Arguments, location: ir.Location) -> None:
    """Raise VerifyError, with the label and the location, for the first constraint that does not hold."""
    for constraint in spec.constraints:
        if not constraint.holds(args):
            shown = ", ".join(f"{k}: {_show(v)}" for k, v in args.operands.items() if v is not None)
            raise VerifyError(f"tw.{spec.name}: [{constraint.label}] {constraint.text}", where=location_text(location), why=shown)


def _show(value: object) -> str:
    return "(" + ", ".join(str(v) for v in value) + ")" if isinstance(value, tuple) else str(value)


def verify_op(op: ir.Operation | ir.OpView, owned: Collection[str] | None = None) -> None:
    """Check one `tw` op: operands, attributes, constraints, and that its result types are those that inference gives.

    `owned` are the symbols of the function around it, looked up when not given.
    """
    spec = spec_of(op)
    try:
        _verify_regions(op, spec)
        args = arguments_of(op)
        actual = [tensor_info(r) for r in op.operation.results]
        args.results = actual
        check_constraints(spec, args, op.location)
        known = {a.name for a in spec.attributes} | {"operandSegmentSizes"}
        for name in op.operation.attributes:
            text = name if isinstance(name, str) else name.name
            if text not in known and "." not in text:
                raise VerifyError(f"{op_name(op)} has no attribute '{text}'", remedy=f"it has: {', '.join(sorted(known))}")
        expected = spec.infer(args)
    except VerifyError as error:
        error.where = error.where or location_text(op.location)
        raise
    if actual != expected:
        raise VerifyError(
            f"{op_name(op)}: result types do not follow from the operands",
            where=location_text(op.location),
            why=f"expected {_show(tuple(expected))}, got {_show(tuple(actual))}",
        )
    _verify_symbols(op, actual, _sizes_in_attributes(spec, args), owned)


def _verify_regions(op: ir.Operation | ir.OpView, spec: type[OpSpec]) -> None:
    regions = list(op.operation.regions)
    if len(regions) != spec.regions and not (spec.optional_regions and not regions):
        raise VerifyError(f"{op_name(op)} has {len(regions)} regions, expected {spec.regions}")
    for region in regions:
        blocks = list(region.blocks)
        operations = list(blocks[0].operations) if len(blocks) == 1 else []
        if not operations or op_name(operations[-1]) != "tw.yield":
            raise VerifyError(f"the region of {op_name(op)} must be one block that ends in tw.yield")


def _sizes_in_attributes(spec: type[OpSpec], args: Arguments) -> list[Dim]:
    sizes: list[Dim] = []
    for attribute in spec.attributes:
        value = args.attributes[attribute.name]
        if value is not None and attribute.kind is Kind.DIM:
            sizes.append(value)
        elif value is not None and attribute.kind is Kind.DIMS:
            sizes += value
    return sizes


def _verify_symbols(op: ir.Operation | ir.OpView, infos: list[TensorInfo], sizes: list[Dim], owned: Collection[str] | None) -> None:
    dims = [dim for dim in (*sizes, *(d for info in infos for d in info.shape)) if not isinstance(dim, int)]
    if not dims:
        return
    if owned is None:
        owned = _symbols_around(op)
    for dim in dims:
        unknown = set() if owned is None else dim.symbols().difference(owned)
        if unknown:
            raise VerifyError(
                f"{op_name(op)} uses the symbol '{min(unknown)}', which the function does not own",
                where=location_text(op.location),
                remedy="list it in the function's tw.symbols",
            )


def _symbols_around(op: ir.Operation | ir.OpView) -> Collection[str] | None:
    function = op.operation.parent
    while function is not None and function.operation.name != "func.func":
        function = function.operation.parent
    return None if function is None else symbols_of(function.opview)


def verify(module: ir.Module) -> None:
    """Verify all `tw` ops of a module and the scalar regions. Raises VerifyError at the first op that is wrong."""
    for function in functions(module):
        owned = symbols_of(function)
        for region in function.operation.regions:
            for block in region.blocks:
                _verify_block(block, owned)


def _verify_block(block: ir.Block, owned: Collection[str]) -> None:
    for op in block.operations:
        name = short_name(op)
        if name is None:
            continue
        if name == "yield":
            continue
        verify_op(op, owned)
        if name in ("pointwise", "attention"):
            _verify_scalar_regions(op)
        elif name == "kernel":
            _verify_isolated(op)
            _verify_block(op.operation.regions[0].blocks[0], owned)


def _verify_scalar_regions(op: ir.OpView) -> None:
    for inner in (inner for region in op.operation.regions for inner in region.blocks[0].operations):
        name = op_name(inner)
        if name != "tw.yield" and not name.startswith(_SCALAR_DIALECTS):
            raise VerifyError(
                f"'{name}' may not stand in the region of {op_name(op)}",
                where=location_text(inner.location),
                remedy="only scalar arith and math ops may",
            )


def _verify_isolated(op: ir.OpView) -> None:
    block = op.operation.regions[0].blocks[0]
    inside: set[ir.Value] = set(block.arguments)
    for inner in block.operations:
        for operand in inner.operation.operands:
            if operand not in inside:
                raise VerifyError(
                    "tw.kernel is isolated: a value from outside is used",
                    where=location_text(inner.location),
                    remedy="pass the value as an operand of tw.kernel",
                )
        inside.update(inner.operation.results)


def verify_program(module: ir.Module) -> None:
    """The contract at the end of level 1: `tw` ops only, each with a location."""
    verify(module)
    for function in functions(module):
        for op in function.operation.regions[0].blocks[0].operations:
            if short_name(op) is None and op_name(op) != "func.return":
                raise VerifyError(f"'{op_name(op)}' is not a tw op", where=location_text(op.location))


def verify_kernels(module: ir.Module) -> None:
    """The contract at the end of level 2: nothing outside a kernel computes, and every kernel carries a schedule."""
    verify(module)
    for function in functions(module):
        attributes = function.operation.attributes
        if "tw.kernel" in attributes:
            if "tw.schedule" not in attributes:
                raise VerifyError(f"kernel {attributes['sym_name']} has no tw.schedule", where=location_text(function.location))
            continue
        for op in function.operation.regions[0].blocks[0].operations:
            if not is_op(op, "weight", "constant", "reshape", "launch") and op_name(op) != "func.return":
                raise VerifyError(
                    f"'{op_name(op)}' computes outside a kernel", where=location_text(op.location), remedy="run tw-fuse and tw-outline"
                )
