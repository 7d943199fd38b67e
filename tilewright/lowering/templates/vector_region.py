"""A scalar region (`arith` and `math` ops on scalars) emitted on vectors."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.lowering.math import expand_math_op, is_expanded
from tilewright.lowering.math.expand import COSTS
from tilewright.targets import Target


def vector_of(scalar: ir.Type, lanes: int) -> ir.VectorType:
    """The vector type of `lanes` scalars."""
    return ir.VectorType.get([lanes], scalar)


def splat(attribute: ir.Attribute, scalar: ir.Type, lanes: int) -> ir.Value:
    """A constant scalar in every lane."""
    kind = vector_of(scalar, lanes)
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, attribute))


def emit_region(block: ir.Block, arguments: Sequence[ir.Value], lanes: int, target: Target) -> list[ir.Value]:
    """What `block` yields, computed on vectors: `arguments` stand for its block arguments. Locations of the ops are kept."""
    values: dict[ir.Value, ir.Value] = dict(zip(block.arguments, arguments, strict=True))
    for view in block.operations:
        op = view.operation
        if tw.is_op(op, "yield"):
            return [values[v] for v in op.operands]
        with op.location:
            operands = [values[v] for v in op.operands]
            if op.name == "arith.constant":
                values[op.results[0]] = splat(op.attributes["value"], op.results[0].type, lanes)
            elif is_expanded(op.name) and not isinstance(op.results[0].type, ir.F64Type):
                values[op.results[0]] = expand_math_op(op.name, operands, target)
            else:
                attributes = {name: op.attributes[name] for name in _attribute_names(op)}
                clone = ir.Operation.create(
                    op.name, results=[vector_of(r.type, lanes) for r in op.results], operands=operands, attributes=attributes
                )
                values.update(zip(op.results, clone.results, strict=True))
    raise AssertionError("a region without tw.yield passed the verifier")


def region_cost(block: ir.Block) -> int:
    """Estimated vector instructions of a region."""
    return sum(COSTS.get(op.operation.name, 1) for op in block.operations if op.operation.name not in ("tw.yield", "arith.constant"))


def _attribute_names(op: ir.Operation) -> list[str]:
    return [a if isinstance(a, str) else a.name for a in op.attributes]
