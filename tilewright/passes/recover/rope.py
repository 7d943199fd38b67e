"""`tw-recover-rope`: rotary position embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, term

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class RecoverRope(Pass):
    """Recover `tw.rope` from products with cosines and with sines of the rotated halves (or neighbours) of the last dimension.

    Before: `y = x * cos + concat(-x[.., D/2:], x[.., :D/2]) * sin`
    After: `%y = "tw.rope"(%x, %cos, %sin)`
    """

    name: ClassVar[str] = "tw-recover-rope"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns, users_first=True)


@patterns.on("pointwise")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    if len(op.results) != 1:
        return False
    info = rw.info(op.results[0])
    root = term(rw, op.results[0])
    if root.name != "arith.addf" or info.rank < 2 or not isinstance(info.shape[-1], int) or info.shape[-1] % 2:
        return False
    for straight, turned in root.commuted("arith.addf"):
        for rotated, sine in turned.commuted("arith.mulf"):
            found = _rotation(rw, rotated, info.rank)
            if found is None:
                continue
            x, interleaved = found
            for own, cosine in straight.commuted("arith.mulf"):
                if own.value == x and _is_table(cosine, info) and _is_table(sine, info) and cosine.shape == sine.shape:
                    rw.replace(op, [rw.build("rope", x, cosine.tensor(), sine.tensor(), interleaved=interleaved)])
                    return True
    return False


def _is_table(t: Term, info: tw.TensorInfo) -> bool:
    return t.dtype == info.dtype and t.shape[-1:] == info.shape[-1:] and tw.broadcast_shapes([t.shape, info.shape]) == info.shape


def _rotation(rw: Rewriter, t: Term, rank: int) -> tuple[ir.Value, bool] | None:
    """x and whether neighbours (not halves) are turned, from `concat(-second, first)`."""
    interleaved = t.is_op("reshape")
    if interleaved:
        t = t.args[0]
    if not t.is_op("concat") or t.op is None or len(t.args) != 2:
        return None
    negated, first = t.args
    last = rank - 1
    if interleaved:
        # [.., D/2, 1] parts, joined along the new last dimension and flattened.
        if rw.attribute(t.op, "dim") != rank or not (first.is_op("reshape") and negated.is_op("reshape")):
            return None
        negated, first = negated.args[0], first.args[0]
    elif rw.attribute(t.op, "dim") != last:
        return None
    if negated.name != "arith.negf":
        return None
    second = negated.args[0]
    if not (first.is_op("slice") and second.is_op("slice")) or first.op is None or second.op is None:
        return None
    x = first.op.operands[0]
    size = rw.shape(x)[-1]
    if second.op.operands[0] != x or len(rw.shape(x)) != rank or not isinstance(size, int):
        return None
    expected = ((0, 1), 2) if interleaved else ((0, size // 2), 1)
    for part, start in zip((first.op, second.op), expected[0]):
        attributes = rw.attributes(part)
        if attributes["sizes"] != (*rw.shape(x)[:-1], size // 2) or attributes["starts"] != (0,) * last + (start,):
            return None
        if attributes["steps"] != (1,) * last + (expected[1],):
            return None
    return x, interleaved
