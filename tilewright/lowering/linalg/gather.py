"""`tw.gather`: loads at indices that are data."""

from __future__ import annotations

from tilewright.core.mlir import arith, ir, linalg, tensor
from tilewright.core.symbolic import to_expr
from tilewright.dialects import tw
from tilewright.lowering.linalg.builder import LinalgBuilder, index_constant
from tilewright.lowering.linalg.registry import lowers


@lowers("gather")
def gather(builder: LinalgBuilder, op: ir.OpView) -> ir.Value:
    """Index tensors are read by indexing maps; indices outside the axis are clamped into it, so that no load leaves the table."""
    groups = tw.operand_groups(op)
    table, indices = builder.of(groups["input"]), [builder.of(v) for v in groups["indices"]]
    axes, info = tuple(tw.get(op, "axes")), tw.tensor_info(op.operation.results[0])
    source = tw.tensor_info(table)
    selected = tw.broadcast_shapes([tw.tensor_info(i).shape for i in indices]) or ()
    before, after = axes[0], axes[0] + len(selected)
    maps = []
    for index in indices:
        shape = tw.tensor_info(index).shape
        first = after - len(shape)
        exprs = [
            ir.AffineConstantExpr.get(0) if size == 1 and selected[first - before + i] != 1 else ir.AffineDimExpr.get(first + i)
            for i, size in enumerate(shape)
        ]
        maps.append(ir.AffineMap.get(info.rank, 0, exprs))
    last = [builder.size(to_expr(source.shape[a]) - 1) for a in axes]

    def body(*arguments: ir.Value) -> ir.Value:
        zero = index_constant(0)
        rows = []
        for value, limit in zip(arguments, last):
            row = arith.IndexCastOp(ir.IndexType.get(), value).result
            rows.append(arith.MinSIOp(arith.MaxSIOp(row, zero).result, limit).result)
        position = [linalg.IndexOp(i).result for i in range(info.rank)]
        return tensor.ExtractOp(table, [*position[:before], *rows, *position[after:]]).result

    identity = ir.AffineMap.get_identity(info.rank)
    (out,) = builder.generic(
        indices, maps, [builder.empty(info)], [identity], ["parallel"] * info.rank, lambda *args: body(*args[: len(indices)])
    )
    return out
