"""`tw-recover-attention`: matmul, softmax, matmul."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, product, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, row_reduction, term, without_casts

patterns = PatternSet()

LOWEST = -3.38e38
"""A maximum of scores and a number at or below this, the lowest of f32 or bf16, changes none of them."""


@register_pass
@dataclass(frozen=True)
class RecoverAttention(Pass):
    """Recover `tw.attention` from a softmax between two matmuls, with scale, soft cap, mask and sinks.

    The mask may be added, or select between scores and a number. Selecting against minus infinity becomes a boolean mask, under which a
    row without a visible key gives 0 where the decomposition gives NaN; a finite number stays an added mask. A column that is joined to
    the scores before the softmax and cut off after it is the sinks. Operands have three or four dimensions, also some of them three where
    batch and heads are one dimension; keys and values may have one head for all of the queries'. Probabilities that are used elsewhere too
    prevent the recovery.

    Before: `s = matmul(q, k^T) * scale + mask`, `y = matmul(softmax(s), v)`
    After: `%y = "tw.attention"(%q, %k, %v, %mask) {scale}`
    """

    name: ClassVar[str] = "tw-recover-attention"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns, users_first=True)


@dataclass(frozen=True)
class _Mask:
    """A mask of scores of shape `space`: numbers times `factor` to add, or a condition under which scores are kept (or not)."""

    term: Term
    space: tuple[Dim, ...]
    factor: float = 1.0
    hidden: float | None = None
    """The number that hides a score; None for numbers to add."""
    holds: bool = True
    """Whether scores are kept where the condition holds."""


@dataclass
class _Scores:
    """What was found around the first matmul, from the outside in."""

    product: Term | None = None
    scale: float = 1.0
    softcap: float = 0.0
    masks: list[_Mask] = field(default_factory=list)


@patterns.on("matmul")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    if rw.attributes(op)["transpose_lhs"]:
        return False
    found = _probabilities(rw, op)
    if found is None:
        return False
    softmax, cut = found
    source = term(rw, softmax.operands[0])
    sinks: ir.Value | None = None
    if cut:
        joined = _without_shift(source)
        parts = _with_sinks(rw, joined)
        if parts is None:
            return False
        source, sinks = parts
    scores = _match_scores(source)
    if scores is None or scores.product is None or scores.product.op is None:
        return False
    if any(tw.broadcast_shapes([m.term.shape, m.space]) != m.space for m in scores.masks):
        return False
    shape = _four_dims([rw.shape(op.operands[0]), source.shape, *(m.space for m in scores.masks), scores.product.shape])
    inner = scores.product.op
    flags = rw.attributes(inner)
    q = _transposed(rw, inner.operands[0]) if flags["transpose_lhs"] else inner.operands[0]
    k = inner.operands[1] if flags["transpose_rhs"] else _transposed(rw, inner.operands[1])
    v = _transposed(rw, op.operands[1]) if rw.attribute(op, "transpose_rhs") else op.operands[1]
    if shape is None or not _dims_fit(rw, q, k, v):
        return False
    result_dtype = rw.info(op.results[0]).dtype
    if rw.info(q).dtype != result_dtype and not _rounded_to(rw, op.results[0], rw.info(q).dtype):
        return False
    mask = _mask(rw, scores, shape)
    q, k, v = (_split_heads(rw, x, shape) for x in (q, k, v))
    result = rw.build("attention", q, k, v, mask, None, None, sinks, scale=scores.scale, softcap=scores.softcap)
    rw.replace(op, [rw.cast(rw.reshape(result, rw.shape(op.results[0])), result_dtype)])
    return True


def _probabilities(rw: Rewriter, op: ir.Operation) -> tuple[ir.Operation, bool] | None:
    """The softmax along keys that a matmul takes on its left, and whether the last column is cut off in between."""
    value, cut = op.operands[0], False
    while True:
        producer = rw.producer(value)
        if producer is None or not rw.has_one_use(value):
            return None
        rank = len(rw.shape(value))
        if tw.is_op(producer, "softmax"):
            along_keys = rank in (3, 4) and rw.attribute(producer, "dim") == rank - 1 and not rw.attribute(producer, "log")
            return (producer, cut) if along_keys else None
        if len(producer.operands) != 1:
            return None
        before, after = rw.shape(producer.operands[0]), rw.shape(value)
        if tw.is_op(producer, "slice") and not cut:
            attributes = rw.attributes(producer)
            whole = all(s == 0 for s in attributes["starts"]) and all(s == 1 for s in attributes["steps"])
            if not whole or before[:-1] != after[:-1] or simplify_dim(to_expr(before[-1]) - after[-1]) != 1:
                return None
            cut = True
        elif tw.is_op(producer, "pointwise"):
            cast = term(rw, value)
            if cast.name not in ("arith.extf", "arith.truncf") or cast.scalar is None or not cast.scalar.args[0].is_argument:
                return None
        elif not tw.is_op(producer, "reshape") or before[-2:] != after[-2:]:
            return None
        value = producer.operands[0]


def _without_shift(t: Term) -> Term:
    """x for `x - max(x)`, which has the same softmax."""
    t = without_casts(t)
    if t.name != "arith.subf":
        return t
    top = row_reduction(t.args[1], "max")
    whole = without_casts(t.args[0])
    return whole if top is not None and top[0].same(whole) and top[1] == (len(whole.shape) - 1,) else t


def _with_sinks(rw: Rewriter, joined: Term) -> tuple[Term, ir.Value] | None:
    """Scores, and the number per head `[H]` that is joined to each of their rows."""
    if not joined.is_op("concat") or joined.op is None or len(joined.op.operands) != 2 or len(joined.shape) != 4:
        return None
    scores, column = joined.op.operands
    if rw.attribute(joined.op, "dim") != 3 or rw.shape(column)[3] != 1:
        return None
    wide = rw.producer(column, "broadcast")
    column = column if wide is None else wide.operands[0]
    heads = joined.shape[1]
    narrow = (*(1,) * (4 - len(rw.shape(column))), *rw.shape(column))
    if narrow != (1, heads, 1, 1):
        return None
    return term(rw, scores), rw.reshape(column, (heads,))


def _four_dims(shapes: Sequence[tuple[Dim, ...]]) -> tuple[Dim, ...] | None:
    """The shape `[B, H, Q, K]` of scores that have three or four dimensions in different places; their first is B times H then."""
    wide = next((s for s in shapes if len(s) == 4), None)
    if wide is None:
        first, *rest = shapes[0]
        wide = (first, 1, *rest)
    for shape in shapes:
        same = shape[:3] == wide[:3] if len(shape) == 4 else shape[:2] == (product(wide[:2]), wide[2])
        if len(shape) not in (3, 4) or not same:
            return None
    return (*wide[:3], shapes[-1][-1])


def _rounded_to(rw: Rewriter, value: ir.Value, dtype: str) -> bool:
    """True when all that uses a value rounds it to `dtype` first."""
    users = [use.owner.operation for use in value.uses]
    rounding = rw.scalars.apply("arith.truncf", (rw.scalars.argument(0, rw.info(value).dtype),), dtype)
    return bool(users) and all(tw.is_op(user, "pointwise") and rw.yields(user) == (rounding,) for user in users)


def _match_scores(t: Term) -> _Scores | None:
    found = _Scores()
    t = without_casts(t)
    space = t.shape
    while True:
        if t.is_op("matmul"):
            found.product = t
            return found if t.shape == space else None
        if t.is_op("reshape"):
            inner = t.args[0]
            if inner.shape[-2:] != t.shape[-2:]:
                return None
            t = without_casts(inner)
            space = t.shape
            continue
        inner = None if found.softcap else _without_mask(t, found, space)
        if inner is None and not found.softcap and found.scale == 1.0:
            inner = _without_softcap(t, found)
        if inner is None:
            inner = _without_scale(t, found)
        if inner is None:
            return None
        t = without_casts(inner)


def _without_mask(t: Term, found: _Scores, space: tuple[Dim, ...]) -> Term | None:
    for inner, mask in t.commuted("arith.addf"):
        if _leads_to_matmul(inner) and not _leads_to_matmul(mask) and mask.number is None:
            found.masks.append(_Mask(mask, space, found.scale))
            return inner
    for inner, lowest in t.commuted("arith.maximumf"):
        # Guards the sum of scores and a mask against overflow; scores are not that low.
        if lowest.number is not None and lowest.number <= LOWEST and _leads_to_matmul(inner):
            return inner
    if t.name == "arith.select":
        condition, then, otherwise = t.args
        for inner, number, holds in ((then, otherwise, True), (otherwise, then, False)):
            if number.number is not None and number.number < -1e3 and found.scale > 0 and _leads_to_matmul(inner):
                found.masks.append(_Mask(condition, space, 1.0, number.number * found.scale, holds))
                return inner
    return None


def _without_softcap(t: Term, found: _Scores) -> Term | None:
    """`c * tanh(s / c)`."""
    for outer, cap in t.commuted("arith.mulf"):
        outer = without_casts(outer)
        if cap.number is None or outer.name != "math.tanh" or cap.number <= 0:
            continue
        divided = without_casts(outer.args[0])
        if divided.name == "arith.divf" and divided.args[1].number == cap.number:
            found.softcap = cap.number
            return divided.args[0]
        for inner, factor in divided.commuted("arith.mulf"):
            if factor.number is not None and abs(factor.number * cap.number - 1) < 1e-6:
                found.softcap = cap.number
                return inner
    return None


def _without_scale(t: Term, found: _Scores) -> Term | None:
    for inner, factor in t.commuted("arith.mulf"):
        if factor.number is not None:
            found.scale *= factor.number
            return inner
    if t.name == "arith.divf" and t.args[1].number:
        found.scale /= t.args[1].number
        return t.args[0]
    return None


def _leads_to_matmul(t: Term) -> bool:
    """True for scores: a matmul under arithmetic with numbers, masks and casts."""
    t = without_casts(t)
    if t.is_op("matmul"):
        return True
    if t.is_op("reshape"):
        return t.args[0].shape[-2:] == t.shape[-2:] and _leads_to_matmul(t.args[0])
    return t.scalar is not None and t.name in _SCORE_OPS and any(_leads_to_matmul(a) for a in t.args)


_SCORE_OPS = ("arith.addf", "arith.mulf", "arith.divf", "arith.select", "arith.maximumf", "math.tanh")


def _dims_fit(rw: Rewriter, q: ir.Value, k: ir.Value, v: ir.Value) -> bool:
    """True for operands of one type and rank whose batch dimensions agree; one head of k and v may serve all of q."""
    shapes: list[tuple[Dim, ...]] = [rw.shape(x) for x in (q, k, v)]
    if len({len(s) for s in shapes}) != 1 or len({rw.info(x).dtype for x in (q, k, v)}) != 1:
        return False
    shared = len(shapes[0]) == 4 and shapes[1][:-2] == shapes[2][:-2] == (shapes[0][0], 1)
    return shared or len({s[:-2] for s in shapes}) == 1


def _mask(rw: Rewriter, scores: _Scores, shape: tuple[Dim, ...]) -> ir.Value | None:
    """One mask: boolean when it only hides, else added numbers."""
    hiding: list[ir.Value] = []
    numbers: list[ir.Value] = []
    for mask in scores.masks:
        if mask.hidden is not None:
            visible = _visible(rw, mask.term, mask.holds)
            if mask.hidden == float("-inf"):
                hiding.append(_placed(rw, visible, mask.space, shape))
            else:
                numbers.append(_placed(rw, _selected(rw, visible, mask.hidden, "f32"), mask.space, shape))
            continue
        choice = _choice(mask.term)
        if choice is not None:
            hiding.append(_placed(rw, _visible(rw, *choice), mask.space, shape))
            continue
        added = without_casts(mask.term).tensor()
        if mask.factor != 1.0:
            factor = rw.scalars.constant(mask.factor, rw.info(added).dtype)
            added = rw.map(lambda x: rw.scalars.arith("mulf", x, factor), added)  # noqa: B023
        numbers.append(_placed(rw, added, mask.space, shape))
    total: ir.Value | None = None
    for visible in hiding:
        total = visible if total is None else rw.map(lambda x, y: rw.scalars.arith("andi", x, y), total, visible)
    if not numbers:
        return total
    dtype = max((rw.info(n).dtype for n in numbers), key=lambda d: tw.BYTES[d])
    if total is not None:
        numbers.append(_selected(rw, total, float("-inf"), dtype))
    sum_ = numbers[0]
    for number in numbers[1:]:
        sum_ = rw.map(lambda x, y: rw.scalars.arith("addf", rw.scalars.cast(x, dtype), rw.scalars.cast(y, dtype)), sum_, number)
    return sum_


def _placed(rw: Rewriter, mask: ir.Value, space: tuple[Dim, ...], shape: tuple[Dim, ...]) -> ir.Value:
    """A mask of scores of shape `space` for scores of four dimensions: where batch and heads are one dimension, it is split."""
    own = rw.shape(mask)
    if len(space) == 4 or len(own) < 3:
        return mask
    return rw.reshape(mask, ((1, 1) if own[0] == 1 else shape[:2]) + own[1:])


def _choice(t: Term) -> tuple[Term, bool] | None:
    """The condition of `select(c, 0, -inf)`, and whether keys are visible where it holds."""
    t = without_casts(t)
    if t.name != "arith.select":
        return None
    condition, then, otherwise = t.args
    if (then.number, otherwise.number) == (0.0, float("-inf")):
        return condition, True
    return (condition, False) if (then.number, otherwise.number) == (float("-inf"), 0.0) else None


def _visible(rw: Rewriter, condition: Term, holds: bool) -> ir.Value:
    visible = condition.tensor()
    return visible if holds else rw.map(lambda x: rw.scalars.arith("xori", x, rw.scalars.constant(True, "i1")), visible)


def _selected(rw: Rewriter, visible: ir.Value, number: float, dtype: str) -> ir.Value:
    """0 where visible, else a number."""
    kept, hidden = rw.scalars.constant(0.0, dtype), rw.scalars.constant(number, dtype)
    return rw.map(lambda x: rw.scalars.arith("select", x, kept, hidden), visible)


def _transposed(rw: Rewriter, value: ir.Value) -> ir.Value:
    rank = len(rw.shape(value))
    return rw.build("transpose", value, permutation=(*range(rank - 2), rank - 1, rank - 2))


def _split_heads(rw: Rewriter, value: ir.Value, shape: tuple[Dim, ...]) -> ir.Value:
    """`[B * H, ..]` as `[B, H, ..]`."""
    own = rw.shape(value)
    return value if len(own) == 4 else rw.reshape(value, (*shape[:2], *own[1:]))
