"""`tw-recover-attention`: matmul, softmax, matmul."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, term, without_casts

patterns = PatternSet()


@register_pass
@dataclass(frozen=True)
class RecoverAttention(Pass):
    """Recover `tw.attention` from a softmax between two matmuls, with scale, soft cap and mask.

    The mask may be added, or select between scores and a number. Selecting against minus infinity becomes a boolean mask, under which a
    row without a visible key gives 0 where the decomposition gives NaN; a finite number stays an added mask. Operands have three or four
    dimensions; probabilities that are used elsewhere too prevent the recovery.

    Before: `s = matmul(q, k^T) * scale + mask`, `y = matmul(softmax(s), v)`
    After: `%y = "tw.attention"(%q, %k, %v, %mask) {scale}`
    """

    name: ClassVar[str] = "tw-recover-attention"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns, users_first=True)


@dataclass
class _Scores:
    """What was found around the first matmul, from the outside in. `added` and `hidden` are masks: terms, and (condition, number) pairs."""

    product: Term | None = None
    scale: float = 1.0
    softcap: float = 0.0
    added: list[Term] = field(default_factory=list)
    selected: list[tuple[Term, bool, float]] = field(default_factory=list)
    """Condition, whether scores are kept where it holds, the number elsewhere."""


@patterns.on("matmul")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    probabilities = without_casts(term(rw, op.operands[0]))
    if not probabilities.is_op("softmax") or probabilities.op is None or rw.attributes(op)["transpose_lhs"]:
        return False
    softmax = probabilities.op
    rank = len(rw.shape(op.results[0]))
    if rank not in (3, 4) or rw.attribute(softmax, "log") or rw.attribute(softmax, "dim") != rank - 1:
        return False
    if not _used_once(rw, op.operands[0], softmax):
        return False
    scores = _match_scores(term(rw, softmax.operands[0]))
    if scores is None or scores.product is None or scores.product.op is None:
        return False
    shape = rw.shape(softmax.operands[0])
    masks = [*scores.added, *(condition for condition, _, _ in scores.selected)]
    if scores.product.shape != shape or any(tw.broadcast_shapes([m.shape, shape]) != shape for m in masks):
        return False
    inner = scores.product.op
    flags = rw.attributes(inner)
    q = _transposed(rw, inner.operands[0]) if flags["transpose_lhs"] else inner.operands[0]
    k = inner.operands[1] if flags["transpose_rhs"] else _transposed(rw, inner.operands[1])
    v = _transposed(rw, op.operands[1]) if rw.attribute(op, "transpose_rhs") else op.operands[1]
    if not _dims_fit(rw, q, k, v):
        return False
    result_dtype = rw.info(op.results[0]).dtype
    if rw.info(q).dtype != result_dtype and not _rounded_to(rw, op.results[0], rw.info(q).dtype):
        return False
    mask = _mask(rw, scores)
    if rank == 3:
        q, k, v = (_with_head(rw, x) for x in (q, k, v))
        mask = None if mask is None or len(rw.shape(mask)) < 3 else _with_head(rw, mask)
    result = rw.build("attention", q, k, v, mask, scale=scores.scale, softcap=scores.softcap)
    rw.replace(op, [rw.cast(rw.reshape(result, rw.shape(op.results[0])), result_dtype)])
    return True


def _rounded_to(rw: Rewriter, value: ir.Value, dtype: str) -> bool:
    """True when all that uses a value rounds it to `dtype` first."""
    users = [use.owner.operation for use in value.uses]
    rounding = rw.scalars.apply("arith.truncf", (rw.scalars.argument(0, rw.info(value).dtype),), dtype)
    return bool(users) and all(tw.is_op(user, "pointwise") and rw.yields(user) == (rounding,) for user in users)


def _used_once(rw: Rewriter, value: ir.Value, softmax: ir.Operation) -> bool:
    """True when the probabilities reach the second matmul only, through casts at most."""
    while True:
        if not rw.has_one_use(value):
            return False
        producer = rw.producer(value)
        if producer is None or producer == softmax:
            return True
        value = producer.operands[0]


def _match_scores(t: Term) -> _Scores | None:
    found = _Scores()
    t = without_casts(t)
    while True:
        if t.is_op("matmul"):
            found.product = t
            return found
        inner = _without_mask(t, found) if not found.softcap and found.scale == 1.0 else None
        if inner is None and not found.softcap and found.scale == 1.0:
            inner = _without_softcap(t, found)
        if inner is None:
            inner = _without_scale(t, found)
        if inner is None:
            return None
        t = without_casts(inner)


def _without_mask(t: Term, found: _Scores) -> Term | None:
    for inner, mask in t.commuted("arith.addf"):
        if _leads_to_matmul(inner) and not _leads_to_matmul(mask) and mask.number is None:
            found.added.append(mask)
            return inner
    if t.name == "arith.select":
        condition, then, otherwise = t.args
        for inner, number, keeps in ((then, otherwise, True), (otherwise, then, False)):
            if number.number is not None and number.number < -1e3 and _leads_to_matmul(inner):
                found.selected.append((condition, keeps, number.number))
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
    return t.scalar is not None and t.name in _SCORE_OPS and any(_leads_to_matmul(a) for a in t.args)


_SCORE_OPS = ("arith.addf", "arith.mulf", "arith.divf", "arith.select", "math.tanh")


def _dims_fit(rw: Rewriter, q: ir.Value, k: ir.Value, v: ir.Value) -> bool:
    shapes: list[tuple[Dim, ...]] = [rw.shape(x) for x in (q, k, v)]
    dtypes = {rw.info(x).dtype for x in (q, k, v)}
    return len({len(s) for s in shapes}) == 1 and len(dtypes) == 1 and len({s[:-2] for s in shapes}) == 1


def _mask(rw: Rewriter, scores: _Scores) -> ir.Value | None:
    """One mask: boolean when it only hides, else added numbers."""
    hiding: list[tuple[Term, bool]] = []
    numbers: list[ir.Value] = []
    for condition, keeps, number in scores.selected:
        if number == float("-inf"):
            hiding.append((condition, keeps))
        else:
            numbers.append(_selected(rw, condition, keeps, number, "f32"))
    for added in scores.added:
        choice = _choice(added)
        if choice is not None:
            hiding.append(choice)
        else:
            numbers.append(without_casts(added).tensor())
    if not numbers:
        return _conjunction(rw, hiding)
    dtype = rw.info(numbers[0]).dtype
    numbers += [_selected(rw, condition, keeps, float("-inf"), dtype) for condition, keeps in hiding]
    total = numbers[0]
    for number in numbers[1:]:
        total = _combined(rw, "arith.addf", total, number)
    return total


def _choice(t: Term) -> tuple[Term, bool] | None:
    """The condition of `select(c, 0, -inf)`, and whether keys are visible where it holds."""
    t = without_casts(t)
    if t.name != "arith.select":
        return None
    condition, then, otherwise = t.args
    if (then.number, otherwise.number) == (0.0, float("-inf")):
        return condition, True
    return (condition, False) if (then.number, otherwise.number) == (float("-inf"), 0.0) else None


def _conjunction(rw: Rewriter, hiding: list[tuple[Term, bool]]) -> ir.Value | None:
    total: ir.Value | None = None
    for condition, keeps in hiding:
        visible = condition.tensor()
        if not keeps:
            table = rw.scalars
            inverted = table.apply("arith.xori", (table.argument(0, "i1"), table.constant(True, "i1")))
            (visible,) = rw.pointwise([visible], [inverted], rw.shape(visible))
        total = visible if total is None else _combined(rw, "arith.andi", total, visible)
    return total


def _selected(rw: Rewriter, condition: Term, keeps: bool, number: float, dtype: str) -> ir.Value:
    table = rw.scalars
    kept, hidden = table.constant(0.0, dtype), table.constant(number, dtype)
    choice = table.apply("arith.select", (table.argument(0, "i1"), *((kept, hidden) if keeps else (hidden, kept))), dtype)
    tensor = condition.tensor()
    return rw.pointwise([tensor], [choice], rw.shape(tensor))[0]


def _combined(rw: Rewriter, name: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    table = rw.scalars
    scalar = table.apply(name, (table.argument(0, rw.info(lhs).dtype), table.argument(1, rw.info(rhs).dtype)))
    shape = tw.broadcast_shapes([rw.shape(lhs), rw.shape(rhs)]) or ()
    return rw.pointwise([lhs, rhs], [scalar], shape)[0]


def _transposed(rw: Rewriter, value: ir.Value) -> ir.Value:
    rank = len(rw.shape(value))
    return rw.build("transpose", value, permutation=(*range(rank - 2), rank - 1, rank - 2))


def _with_head(rw: Rewriter, value: ir.Value) -> ir.Value:
    """`[N, ..]` as `[N, 1, ..]`."""
    first, *rest = rw.shape(value)
    return rw.reshape(value, (first, 1, *rest))
