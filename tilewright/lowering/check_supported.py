"""What the CPU lowering cannot compute, found in a level 1 module before any of it is lowered and reported all at once.

The polynomials of `lowering/math` are for f32 (16-bit floats are widened to it), so f64 has no exp, erf, sin, ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.lowering.loops.region import has_constant_power
from tilewright.lowering.math import computes

_LINES = 3
_DTYPE_NAMES = {"f64": "float64"}


@dataclass
class _Refusal:
    """One op and reason that has no lowering, with the first places where it stands."""

    op: str
    reason: str
    alternative: str
    count: int = 0
    sources: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        return {
            "op": self.op, "reason": self.reason, "count": self.count, "sources": self.sources, "alternative": self.alternative,
        }  # fmt: skip


def check_supported(module: ir.Module, origin: str = "") -> None:
    """Raises UnsupportedError when CPU targets have no code for scalar functions, softmaxes or attentions of a level 1 module.

    The error names all of them, most frequent first. Its `records` are the machine-readable form: a list of dictionaries with op,
    reason, count, sources (`file:line:col`, the first three), alternative.
    """
    refusals: dict[tuple[str, str], _Refusal] = {}
    for op, inside in _nested(module.operation, ""):
        found = _refused(op)
        if found is None:
            continue
        name, dtype = found
        kind = _DTYPE_NAMES.get(dtype, dtype)
        reason = f"CPU targets have no code for it on {kind}"
        refusal = refusals.setdefault((name, reason), _Refusal(name, reason, "cast its input to float32, and the result back"))
        refusal.count += 1
        source = tw.location_text(op.location) or inside
        if source and len(refusal.sources) < _LINES and source not in refusal.sources:
            refusal.sources.append(source)
    if refusals:
        raise _error(sorted(refusals.values(), key=lambda r: (-r.count, r.op)), origin)


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


def _error(refusals: list[_Refusal], origin: str) -> UnsupportedError:
    total = sum(r.count for r in refusals)
    lines: list[str] = []
    for r in refusals:
        lines.append(f"{r.op} x{r.count}: {r.reason}")
        lines += [f"    at {source}" for source in r.sources]
        lines.append(f"    instead: {r.alternative}")
    error = UnsupportedError(
        f"{len(refusals)} kind{'s' if len(refusals) != 1 else ''} of operation in the program "
        f"({total} place{'s' if total != 1 else ''}) can't be compiled for CPU targets",
        where=origin,
        why="\n".join(lines),
        remedy="change the model at the lines above, or use it in float32 (module.float()); nothing was compiled",
    )
    error.records = [r.record() for r in refusals]  # type: ignore[attr-defined]
    return error
