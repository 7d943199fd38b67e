"""`tw-recover-rope`: rotary position embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, term, with_dtype, without_casts

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
    root = without_casts(term(rw, op.results[0]))
    if root.name != "arith.addf" or info.rank < 2 or not isinstance(info.shape[-1], int) or info.shape[-1] % 2:
        return False
    for straight, turned in root.commuted("arith.addf"):
        for rotated, sine in without_casts(turned).commuted("arith.mulf"):
            parts = _rotated_parts(rw, without_casts(rotated), info.rank)
            if parts is None:
                continue
            first, second, interleaved = parts
            for own, cosine in without_casts(straight).commuted("arith.mulf"):
                x, cos, sin = (with_dtype(t, info.dtype) for t in (own, cosine, sine))
                if x is None or cos is None or sin is None or x.value is None or rw.info(x.value) != info:
                    continue
                if _are_halves(rw, x.value, first, second, interleaved) and _are_tables(cos, sin, info):
                    rw.replace(op, [rw.build("rope", x.value, cos.tensor(), sin.tensor(), interleaved=interleaved)])
                    return True
    return False


def _are_tables(cos: Term, sin: Term, info: tw.TensorInfo) -> bool:
    shape = cos.shape
    return shape == sin.shape and shape[-1:] == info.shape[-1:] and tw.broadcast_shapes([shape, info.shape]) == info.shape


def _rotated_parts(rw: Rewriter, t: Term, rank: int) -> tuple[ir.Value, ir.Value, bool] | None:
    """The tensors `first` and `second` of `concat(-second, first)`, and whether they are neighbours rather than halves."""
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
    negated = without_casts(negated)
    second = without_casts(negated.args[0]) if negated.name == "arith.negf" else negated
    if second is negated or first.value is None or second.value is None:
        return None
    return first.value, second.value, interleaved


def _are_halves(rw: Rewriter, x: ir.Value, first: ir.Value, second: ir.Value, interleaved: bool) -> bool:
    """True when `first` and `second` are the two halves of the last dimension of x, or its even and odd elements."""
    base, starts, sizes, steps = _part_of(rw, x)
    size = sizes[-1]
    if not isinstance(size, int):
        return False
    distance, step = (1, 2) if interleaved else (size // 2, 1)
    if steps != (1,) * len(steps):
        return False
    for part, offset in ((first, 0), (second, distance)):
        expected = (base, (*starts[:-1], simplify_dim(to_expr(starts[-1]) + offset)), (*sizes[:-1], size // 2), (*steps[:-1], step))
        if _part_of(rw, part) != expected:
            return False
    return True


def _part_of(rw: Rewriter, value: ir.Value) -> tuple[ir.Value, tuple[Dim, ...], tuple[Dim, ...], tuple[int, ...]]:
    """The tensor of which a value is a slice, with starts, sizes and steps; the whole of itself for any other value."""
    slice_op = rw.producer(value, "slice")
    if slice_op is None:
        shape = rw.shape(value)
        return value, (0,) * len(shape), shape, (1,) * len(shape)
    attributes = rw.attributes(slice_op)
    return slice_op.operands[0], attributes["starts"], attributes["sizes"], attributes["steps"]
