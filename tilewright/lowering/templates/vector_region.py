"""A scalar region (`arith` and `math` ops on scalars) emitted on vectors. 16-bit floats are computed in f32, and rounded at its end."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import arith, ir
from tilewright.dialects import tw
from tilewright.lowering.math import expand_math_op, expand_one_plus_erf, is_expanded, sums_with_erf
from tilewright.lowering.math.expand import COST_OF_ONE_PLUS_ERF, COSTS
from tilewright.targets import Target


def vector_of(scalar: ir.Type, lanes: int) -> ir.VectorType:
    """The vector type of `lanes` scalars."""
    return ir.VectorType.get([lanes], scalar)


def splat(attribute: ir.Attribute, scalar: ir.Type, lanes: int) -> ir.Value:
    """A constant scalar in every lane."""
    kind = vector_of(scalar, lanes)
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, attribute))


def as_type(value: ir.Value, scalar: ir.Type) -> ir.Type:
    """`scalar`, in as many lanes as `value` has."""
    return ir.VectorType.get(ir.VectorType(value.type).shape, scalar) if isinstance(value.type, ir.VectorType) else scalar


def is_bf16(mlir_type: ir.Type) -> bool:
    """Whether a type is bf16, or a vector of it."""
    return isinstance(mlir_type.element_type if isinstance(mlir_type, ir.VectorType) else mlir_type, ir.BF16Type)


def emit_region(block: ir.Block, arguments: Sequence[ir.Value], lanes: int, target: Target) -> list[ir.Value]:
    """What `block` yields, computed on vectors: `arguments` stand for its block arguments. Locations of the ops are kept."""
    values: dict[ir.Value, ir.Value] = {a: _widened(v) for a, v in zip(block.arguments, arguments, strict=True)}
    sums = sums_with_erf(block)
    inside = set(sums.values())
    for view in block.operations:
        op = view.operation
        if tw.is_op(op, "yield"):
            return [_narrowed(values[v], v.type) for v in op.operands]
        if op in inside:
            continue
        with op.location:
            if op in sums:
                values[op.results[0]] = expand_one_plus_erf(values[sums[op].operands[0]], target)
                continue
            operands = [values[v] for v in op.operands]
            if op.name == "arith.constant":
                values[op.results[0]] = _widened(splat(op.attributes["value"], op.results[0].type, lanes))
            elif op.name in ("arith.extf", "arith.truncf") and operands[0].type == vector_of(_wide(op.results[0].type), lanes):
                values[op.results[0]] = operands[0]
            elif is_expanded(op.name) and not isinstance(op.results[0].type, ir.F64Type):
                values[op.results[0]] = expand_math_op(op.name, operands, target)
            else:
                attributes = {name: op.attributes[name] for name in _attribute_names(op)}
                clone = ir.Operation.create(
                    op.name, results=[vector_of(_wide(r.type), lanes) for r in op.results], operands=operands, attributes=attributes
                )
                values.update(zip(op.results, clone.results, strict=True))
    raise AssertionError("a region without tw.yield passed the verifier")


def _wide(scalar: ir.Type) -> ir.Type:
    """The type in which values of a scalar type are computed."""
    return ir.F32Type.get() if isinstance(scalar, ir.F16Type | ir.BF16Type) else scalar


def _widened(value: ir.Value) -> ir.Value:
    kind = ir.VectorType(value.type)
    wide = _wide(kind.element_type)
    return value if wide == kind.element_type else arith.extf(as_type(value, wide), value)


def _narrowed(value: ir.Value, scalar: ir.Type) -> ir.Value:
    return value if ir.VectorType(value.type).element_type == scalar else arith.truncf(as_type(value, scalar), value)


def region_cost(block: ir.Block) -> int:
    """Estimated vector instructions of a region."""
    saved = len(sums_with_erf(block)) * (COSTS["math.erf"] - COST_OF_ONE_PLUS_ERF + 1)
    return (
        sum(COSTS.get(op.operation.name, 1) for op in block.operations if op.operation.name not in ("tw.yield", "arith.constant")) - saved
    )


def _attribute_names(op: ir.Operation) -> list[str]:
    return [a if isinstance(a, str) else a.name for a in op.attributes]
