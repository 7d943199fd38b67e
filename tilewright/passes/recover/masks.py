"""`tw-recover-masks`: materialized attention masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim, Expr, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.passes.affine import scalar_affine
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, term, without_casts

patterns = PatternSet()
assuming_visible = PatternSet()
"""The patterns of `tw-recover-masks{assume-visible=true}`."""

NEVER_VISIBLE = -1e9
"""An added mask value at or below this takes a key's probability to exactly 0, in every float type, next to a visible key."""

# Signed predicates of arith.cmpi on a difference d, as d <= limit or d >= limit.
_AT_MOST = {2: -1, 3: 0}
_AT_LEAST = {4: 1, 5: 0}


@register_pass
@dataclass(frozen=True)
class RecoverMasks(Pass):
    """Turn attention masks into the attributes `causal` and `window`, as far as they provably say just that.

    A boolean mask is split into its conjuncts. Comparisons of key and query positions become attributes; what is left (padding) stays a
    mask of the smallest shape that broadcasts, never materialized to `[B, H, Q, K]`; when nothing is left there is no mask. A mask that
    adds 0 or minus infinity is a boolean one. One that adds 0 or a large negative number differs from a boolean mask in rows without a
    visible key; it becomes one when it is causal or windowed and nothing else, which leaves no such row, or when told to assume so.

    Before: `mask = (k <= q) & (k > q - 8) & pad[B, 1, 1, K]`, `attention(q, k, v, mask)`
    After: `attention(q, k, v, pad) {causal = true, window = 8}`
    """

    name: ClassVar[str] = "tw-recover-masks"
    assume_visible: bool = option(False, help="every query sees a key: masks that add a large negative number are boolean")

    def run(self, module: ir.Module) -> None:
        rewrite(module, assuming_visible if self.assume_visible else patterns)


@dataclass
class _Split:
    """A mask in parts."""

    causal: bool = False
    window: int = 0
    rest: list[Term] = field(default_factory=list)
    conjuncts: int = 0


@patterns.on("attention")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    return _recover(rw, op, assume_visible=False)


@assuming_visible.on("attention")
def recover_assuming_visible(rw: Rewriter, op: ir.Operation) -> bool:
    return _recover(rw, op, assume_visible=True)


def _recover(rw: Rewriter, op: ir.Operation, *, assume_visible: bool) -> bool:
    groups = tw.operand_groups(op)
    # Attributes count positions from the end of the keys, or from q_offset, which a mask doesn't know.
    if groups["mask"] is None or groups["q_offset"] is not None:
        return False
    mask = without_casts(term(rw, groups["mask"]))
    condition, is_partial = mask, False
    if rw.info(groups["mask"]).dtype != "i1":
        if mask.number == 0:
            condition = None
        elif mask.name == "arith.select" and mask.args[1].number == 0 and (mask.args[2].number or 0) <= NEVER_VISIBLE:
            condition, is_partial = mask.args[0], mask.args[2].number != float("-inf")
        else:
            return False
    queries, keys = rw.shape(groups["q"])[2], rw.shape(groups["k"])[2]
    split = _Split() if condition is None else _split(condition, queries, keys)
    is_boolean = condition is mask
    if (is_boolean and len(split.rest) == split.conjuncts) or (is_partial and split.rest and not assume_visible):
        return False
    attributes = dict(rw.attributes(op))
    attributes["causal"] = attributes["causal"] or split.causal
    attributes["window"] = min((w for w in (attributes["window"], split.window) if w), default=0)
    rw.rebuild(op, {"mask": _conjunction(rw, split.rest)}, causal=attributes["causal"], window=attributes["window"])
    return True


def _split(condition: Term, queries: Dim, keys: Dim) -> _Split:
    found = _Split()
    for conjunct in _conjuncts(condition):
        found.conjuncts += 1
        if conjunct.number is not None and conjunct.number:
            continue
        bound = _bound(conjunct)
        # The position of query i is i + keys - queries.
        shift = simplify_dim(to_expr(keys) - queries)
        window = None if bound is None or bound[0] else simplify_dim(to_expr(shift) + 1 - bound[1])
        if bound is not None and bound[0] and bound[1] == shift:
            found.causal = True
        elif isinstance(window, int) and window > 0:
            found.window = min(found.window, window) if found.window else window
        elif not any(conjunct.same(known) for known in found.rest):
            found.rest.append(conjunct)
    return found


def _conjuncts(t: Term) -> list[Term]:
    if t.name == "arith.andi":
        return [c for a in t.args for c in _conjuncts(a)]
    return [t]


def _bound(conjunct: Term) -> tuple[bool, Expr] | None:
    """(True, limit) for `key - query <= limit`, (False, limit) for `key - query >= limit`."""
    if conjunct.name != "arith.cmpi" or conjunct.op is None or conjunct.scalar is None:
        return None
    predicate = conjunct.scalar.predicate
    if predicate not in _AT_MOST and predicate not in _AT_LEAST:
        return None
    rw, operands, own = conjunct.rw, list(conjunct.op.operands), conjunct.shape
    if len(own) > 4:
        return None
    shape = (1,) * (4 - len(own)) + own
    sides = [scalar_affine(rw, a, operands, shape) for a in conjunct.scalar.args]
    if sides[0] is None or sides[1] is None:
        return None
    difference = sides[0].plus(sides[1], -1)
    is_upper = predicate in _AT_MOST
    limit = to_expr(_AT_MOST[predicate] if is_upper else _AT_LEAST[predicate]) - difference.offset
    if difference.coefficients == (0, 0, -1, 1):
        return is_upper, limit
    if difference.coefficients == (0, 0, 1, -1):
        return not is_upper, -limit
    return None


def _conjunction(rw: Rewriter, parts: Sequence[Term]) -> ir.Value | None:
    """All parts together; those of small shapes first, so that what they share is computed small."""
    table = rw.scalars
    tensors = sorted((p.tensor() for p in parts), key=lambda v: sum(d != 1 for d in rw.shape(v)))
    if not tensors:
        return None
    total = tensors[0]
    both = table.apply("arith.andi", (table.argument(0, "i1"), table.argument(1, "i1")))
    for tensor in tensors[1:]:
        shape = tw.broadcast_shapes([rw.shape(total), rw.shape(tensor)]) or ()
        (total,) = rw.pointwise([total, tensor], [both], shape)
    return total
