"""The attention that a kernel is built around."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.targets import Target


def find_attention(
    function: ir.OpView, target: Target, template: str, why_not: Callable[[ir.Operation, Target], str | None]
) -> ir.Operation:
    """The only `tw.attention` of a kernel function.

    Raises UnsupportedError where there is not one, or where `why_not` says that the template, so named, does not cover it.
    """
    found = [op.operation for op in function.operation.regions[0].blocks[0].operations if tw.is_op(op, "attention")]
    if len(found) != 1:
        raise UnsupportedError(
            f"an attention kernel holds one tw.attention, this one {len(found)}",
            where=tw.location_text(function.location),
            remedy="fuse one attention per kernel",
        )
    reason = why_not(found[0], target)
    if reason is not None:
        raise UnsupportedError(
            f"the {template} template does not cover this tw.attention",
            where=tw.location_text(found[0].location),
            why=reason,
            remedy="decompose it",
        )
    return found[0]
