"""`tw-recover-rms-norm`: decomposed RMS normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, factors, inverse_root, row_mean, term, with_dtype, without_casts

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class RecoverRmsNorm(Pass):
    """Recover `tw.rms_norm` from its decomposition, the weight before or after the cast back to the element type.

    A weight that is itself computed, such as `1 + w`, becomes a pointwise op of its own.

    Before: `y = weight * (x * rsqrt(mean(x * x) + eps))` in pointwise ops and a reduction over the last dimension
    After: `%y = "tw.rms_norm"(%x, %weight) {eps}`
    """

    name: ClassVar[str] = "tw-recover-rms-norm"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns, users_first=True)


@patterns.on("pointwise")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    if len(op.results) != 1:
        return False
    result = rw.info(op.results[0])
    if result.rank == 0 or result.dtype not in tw.FLOATS:
        return False
    root = term(rw, op.results[0])
    for scale in factors(root):
        mean_square = inverse_root(scale)
        found = None if mean_square is None else _normalized(mean_square)
        if found is None:
            continue
        x, eps = found
        parts = factors(root, without_casts(x))
        rest = [p for p in parts if not p.same(scale) and not p.same(without_casts(x))]
        source = with_dtype(x, result.dtype)
        if not 2 <= len(parts) <= 3 or len(rest) != len(parts) - 2 or source is None or source.shape != result.shape:
            return False
        weight = rest[0] if rest else None
        if weight is not None and not _is_weight(weight, result):
            return False
        scale_by = None if weight is None else rw.reshape(weight.tensor(), result.shape[-1:])
        rw.replace(op, [rw.build("rms_norm", source.tensor(), scale_by, eps=eps)])
        return True
    return False


@patterns.on("pointwise")
def absorb_weight(rw: Rewriter, op: ir.Operation) -> bool:
    """`rms_norm(x) * w -> rms_norm(x, w)`."""
    if len(op.results) != 1:
        return False
    root = term(rw, op.results[0])
    for normalized, weight in root.commuted("arith.mulf"):
        norm = normalized.op
        if norm is None or not normalized.is_op("rms_norm") or len(norm.operands) != 1 or not rw.has_one_use(norm.results[0]):
            continue
        result = rw.info(op.results[0])
        if rw.info(norm.results[0]) == result and _is_weight(weight, result):
            scale_by = rw.reshape(weight.tensor(), result.shape[-1:])
            rw.replace(op, [rw.build("rms_norm", norm.operands[0], scale_by, eps=rw.attribute(norm, "eps"))])
            return True
    return False


def _normalized(mean_square: Term) -> tuple[Term, float] | None:
    """x and eps, from `mean(x * x) + eps` over the last dimension."""
    for mean, eps in mean_square.commuted("arith.addf"):
        found = row_mean(mean) if eps.number is not None else None
        if found is None or eps.number is None:
            continue
        square, dims = found
        if square.name != "arith.mulf" or not square.args[0].same(square.args[1]):
            continue
        x = square.args[0]
        if dims == (len(x.shape) - 1,):
            return x, eps.number
    return None


def _is_weight(weight: Term, result: tw.TensorInfo) -> bool:
    shape = weight.shape
    return weight.dtype == result.dtype and shape[-1:] == result.shape[-1:] and all(d == 1 for d in shape[:-1])
