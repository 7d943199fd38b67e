"""The operands of a kernel's attention: where each lies, by the strides of the movement ops in front of it."""

from __future__ import annotations

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.lowering.templates.attention.problem import Strided, single_strides, strided
from tilewright.lowering.templates.tracing import trace_source


def read_operand(value: ir.Value, what: str, shape: tuple[Dim, ...] | None = None) -> Strided:
    """A tensor of up to four dimensions, broadcast to `shape` where that is given.

    Raises UnsupportedError for one that is computed in the kernel, or that has a dimension without a single stride.
    """
    source = trace_source(value)
    if source is None:
        raise UnsupportedError(
            f"{what} of an attention kernel is computed in it",
            where=tw.location_text(value.owner.location),
            remedy="keep the computation outside the kernel",
        )
    view = source.view if shape is None else source.view.broadcast_to(shape)
    return strided(source.argument, source.dtype, single_strides(view, what))


def read_optional(value: ir.Value | None, what: str, shape: tuple[Dim, ...] | None = None) -> Strided | None:
    """`read_operand` for an operand that may be absent."""
    return None if value is None else read_operand(value, what, shape)


def read_sinks(value: ir.Value | None) -> Strided | None:
    """The sinks `[H]`, as a tensor that differs along heads alone."""
    traced = read_optional(value, "sinks")
    return None if traced is None else Strided(traced.buffer, traced.dtype, 0, traced.batch, 0, 0)


def read_number(value: ir.Value | None, what: str) -> int | None:
    """The number of the kernel's input that an operand is."""
    traced = read_optional(value, what)
    return None if traced is None else traced.buffer
