"""Where a reduction reads: its loops, and the point of its iteration space that belongs to a result index and values of those loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewright.core.symbolic import Dim, Expr, to_expr
from tilewright.lowering.loops.domain import Axis, Domain, reduction_domain
from tilewright.lowering.loops.graph import Reduced

if TYPE_CHECKING:
    from tilewright.lowering.loops.emitter import Emitter


def domain_of(emitter: Emitter, node: Reduced) -> Domain:
    """The loops over the reduced dimensions, as the plan merged or split them."""
    return emitter.plan.reductions.get(node.number) or reduction_domain(node)


def reduction_axes(emitter: Emitter, node: Reduced) -> tuple[Axis, ...]:
    """The loops of `domain_of`, outermost first."""
    return domain_of(emitter, node).axes


def iteration_point(emitter: Emitter, node: Reduced, index: Sequence[Expr], values: dict[str, Dim]) -> list[Expr]:
    """The iteration point of a stage for a result index and the values of the reduction loops."""
    point: list[Expr] = [to_expr(0)] * len(node.stage.sizes)
    for position, dim in enumerate(node.dims):
        point[dim] = index[position]
    for dim, expression in zip(node.stage.reduced, domain_of(emitter, node).index):
        point[dim] = emitter.space.simplify(expression.substitute(values))
    return point
