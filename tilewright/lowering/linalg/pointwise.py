"""`tw.pointwise` to one generic with the same region."""

from __future__ import annotations

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, broadcast_map
from tilewright.lowering.linalg.registry import lowers


@lowers("pointwise")
def pointwise(builder: LinalgBuilder, op: ir.OpView) -> list[ir.Value]:
    """Operands broadcast by their indexing maps; the scalar ops are cloned."""
    inputs = [builder.of(v) for v in op.operation.operands]
    infos = [tw.tensor_info(r) for r in op.operation.results]
    shape = infos[0].shape
    source = tw.body(op)

    def body(*arguments: ir.Value) -> list[ir.Value]:
        known = dict(zip(source.arguments, arguments))
        for inner in source.operations:
            if tw.is_op(inner, "yield"):
                return [known[v] for v in inner.operation.operands]
            copy = inner.operation.clone()
            for position, operand in enumerate(inner.operation.operands):
                copy.operation.operands[position] = known[operand]
            known.update(zip(inner.operation.results, copy.operation.results))
        return []

    maps = [broadcast_map(tw.tensor_info(v).shape, shape) for v in inputs]
    identity = ir.AffineMap.get_identity(len(shape))
    inits = [builder.empty(info) for info in infos]
    return builder.generic(inputs, maps, inits, [identity] * len(inits), ["parallel"] * len(shape), body)
