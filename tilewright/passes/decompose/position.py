"""Rotary position embedding as slices, a concatenation and pointwise ops."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.passes.decompose.registry import compute_dtype, decomposes
from tilewright.passes.rewrite import Rewriter
from tilewright.passes.scalars import Scalar


@decomposes("rope")
def rope(rw: Rewriter, op: ir.Operation) -> Sequence[ir.Value]:
    """`x * cos + concat(-second, first) * sin`, halves or neighbours."""
    t, info = rw.scalars, rw.info(op.results[0])
    x, cos, sin = op.operands
    size = info.shape[-1]
    assert isinstance(size, int)
    leading = info.shape[:-1]
    interleaved = rw.attribute(op, "interleaved")
    steps = (*(1,) * len(leading), 2 if interleaved else 1)

    def part(start: int) -> ir.Value:
        return rw.build("slice", x, starts=(*(0,) * len(leading), start), sizes=(*leading, size // 2), steps=steps)

    first, second = part(0), part(1 if interleaved else size // 2)
    negated = rw.map(lambda a: t.arith("negf", a), second)
    if interleaved:
        pairs = [rw.reshape(v, (*leading, size // 2, 1)) for v in (negated, first)]
        rotated = rw.reshape(rw.build("concat", pairs, dim=info.rank), info.shape)
    else:
        rotated = rw.build("concat", [negated, first], dim=info.rank - 1)
    dtype = compute_dtype(info.dtype)

    def body(*scalars: Scalar) -> Scalar:
        a, c, r, s = (t.cast(v, dtype) for v in scalars)
        return t.cast(t.arith("addf", t.arith("mulf", a, c), t.arith("mulf", r, s)), info.dtype)

    return [rw.map(body, x, cos, rotated, sin)]
