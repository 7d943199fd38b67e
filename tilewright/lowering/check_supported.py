"""What the CPU lowering cannot compute, found in a level 1 module before any of it is lowered and reported all at once.

The polynomials of `lowering/math` are for f32 (16-bit floats are widened to it), so f64 has no exp, erf, sin, ...
"""

from __future__ import annotations

from collections.abc import Iterator

from tilewright.core.mlir import ir
from tilewright.core.refusals import Refusals
from tilewright.dialects import tw
from tilewright.lowering.loops.region import has_constant_power
from tilewright.lowering.math import computes

_DTYPE_NAMES = {"f64": "float64"}


def check_supported(module: ir.Module, origin: str = "") -> None:
    """Raises UnsupportedError when CPU targets have no code for scalar functions, softmaxes or attentions of a level 1 module.

    The error names all of them (see `Refusals.error`).
    """
    refusals = Refusals()
    for op, inside in _nested(module.operation, ""):
        found = _refused(op)
        if found is None:
            continue
        name, dtype = found
        reason = f"CPU targets have no code for it on {_DTYPE_NAMES.get(dtype, dtype)}"
        refusals.add(name, reason, tw.location_text(op.location) or inside, "cast its input to float32, and the result back")
    if refusals:
        remedy = "change the model at the lines above, or use it in float32 (module.float()); nothing was compiled"
        raise refusals.error("place", "compiled for CPU targets", remedy, origin)


def _nested(op: ir.Operation, inside: str) -> Iterator[tuple[ir.Operation, str]]:
    """All ops in `op`, each with the place of the nearest op around it that has one."""
    for region in op.regions:
        for block in region.blocks:
            for view in block.operations:
                inner = view.operation
                yield inner, inside
                if len(inner.regions):
                    yield from _nested(inner, tw.location_text(inner.location) or inside)


def _refused(op: ir.Operation) -> tuple[str, str] | None:
    """Name and dtype of an op without lowering, else None."""
    if tw.is_op(op, "softmax"):  # exp, and log for log_softmax, in the element type or f32, whichever is wider
        dtype = tw.tensor_info(op.operands[0]).dtype
        name = "tw.log_softmax" if tw.get(op.opview, "log") else "tw.softmax"
        return None if computes("math.exp", tw.element_type(dtype)) else (name, dtype)
    if tw.is_op(op, "attention"):
        dtype = tw.tensor_info(op.operands[0]).dtype
        return None if computes("math.exp", tw.element_type(dtype)) else ("tw.attention", dtype)
    if not op.name.startswith("math.") or not len(op.operands):
        return None
    element = op.operands[0].type
    if computes(op.name, element) or (op.name == "math.powf" and has_constant_power(op)):
        return None
    return op.name, str(element)
