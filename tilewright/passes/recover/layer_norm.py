"""`tw-recover-layer-norm`: decomposed layer normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, factors, inverse_root, row_mean, term, with_dtype, without_casts

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class RecoverLayerNorm(Pass):
    """Recover `tw.layer_norm` from its decomposition, with or without weight and bias.

    Statistics may be computed in a wider float type than the input; the op computes them in f32.

    Before: `c = x - mean(x)`, `y = c * rsqrt(mean(c * c) + eps) * weight + bias` in pointwise ops and reductions over the last dimensions
    After: `%y = "tw.layer_norm"(%x, %weight, %bias) {eps}`
    """

    name: ClassVar[str] = "tw-recover-layer-norm"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns, users_first=True)


@patterns.on("pointwise")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    if len(op.results) != 1:
        return False
    root = without_casts(term(rw, op.results[0]))
    candidates: list[tuple[Term, Term | None]] = [(root, None)]
    candidates += [(product, bias) for product, bias in root.commuted("arith.addf")]
    return any(_recover(rw, op, product, bias) for product, bias in candidates)


def _recover(rw: Rewriter, op: ir.Operation, product: Term, bias: Term | None) -> bool:
    for scale in factors(product):
        variance = inverse_root(scale)
        found = None if variance is None else _normalized(variance)
        if found is None:
            continue
        x, centered, eps, dims = found
        parts = factors(product, centered)
        rest = [p for p in parts if not p.same(scale) and not p.same(centered)]
        shape = x.shape
        result = rw.info(op.results[0])
        source = with_dtype(x, result.dtype)
        if not 2 <= len(parts) <= 3 or len(rest) != len(parts) - 2 or source is None or shape != result.shape:
            return False
        axes = len(dims)
        if dims != tuple(range(len(shape) - axes, len(shape))):
            return False
        normalized = shape[len(shape) - axes :]
        weight = rest[0] if rest else None
        if not all(_is_parameter(p, normalized, result.dtype) for p in (weight, bias)):
            return False
        parameters = [None if p is None else rw.reshape(without_casts(p).tensor(), normalized) for p in (weight, bias)]
        rw.replace(op, [rw.build("layer_norm", source.tensor(), *parameters, eps=eps, axes=axes)])
        return True
    return False


def _normalized(variance: Term) -> tuple[Term, Term, float, tuple[int, ...]] | None:
    """x, `x - mean(x)`, eps and the dimensions, from `mean((x - mean(x))^2) + eps`."""
    for mean_square, eps in variance.commuted("arith.addf"):
        found = row_mean(mean_square) if eps.number is not None else None
        if found is None or eps.number is None:
            continue
        square, dims = found
        if square.name != "arith.mulf" or not square.args[0].same(square.args[1]):
            continue
        centered = without_casts(square.args[0])
        if centered.name != "arith.subf":
            continue
        mean = row_mean(centered.args[1])
        if mean is None or mean[1] != dims or not mean[0].same(without_casts(centered.args[0])):
            continue
        return centered.args[0], centered, eps.number, dims
    return None


def _is_parameter(p: Term | None, shape: tuple[Dim, ...], dtype: str) -> bool:
    if p is None:
        return True
    p = without_casts(p)
    own = p.shape
    while len(own) > len(shape) and own[0] == 1:
        own = own[1:]
    return own == shape and p.dtype == dtype
