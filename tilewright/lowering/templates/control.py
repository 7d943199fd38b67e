"""Structured control flow with Python values: loops that carry values, and branches that yield them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir, scf
from tilewright.lowering.templates.index_math import Index, IndexMath

Values = Sequence[ir.Value] | None
"""What a body yields; None is nothing."""


def for_loop(
    index: IndexMath,
    start: Index,
    stop: Index,
    step: Index,
    body: Callable[[ir.Value, list[ir.Value]], Values],
    carried: Sequence[ir.Value] = (),
) -> list[ir.Value]:
    """`for i in range(start, stop, step)`. `body(i, carried)` returns the next carried values; the last ones are returned."""
    loop = scf.ForOp(index.value(start), index.value(stop), index.value(step), list(carried))
    with ir.InsertionPoint(loop.body):
        scf.YieldOp(list(body(loop.induction_variable, list(loop.inner_iter_args)) or ()))
    return list(loop.results)


def if_else(
    condition: ir.Value,
    then: Callable[[], Values],
    otherwise: Callable[[], Values] | None = None,
    types: Sequence[ir.Type] = (),
) -> list[ir.Value]:
    """Both branches return values of `types`; without `otherwise` there are none."""
    branch = scf.IfOp(condition, list(types), has_else=otherwise is not None)
    with ir.InsertionPoint(branch.regions[0].blocks[0]):
        scf.YieldOp(list(then() or ()))
    if otherwise is not None:
        with ir.InsertionPoint(branch.regions[1].blocks[0]):
            scf.YieldOp(list(otherwise() or ()))
    return list(branch.results)
