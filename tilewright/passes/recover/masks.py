"""`tw-recover-masks`: materialized attention masks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass, option
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import Dim
from tilewright.dialects import tw
from tilewright.passes.recover.visibility import Bound, bound, every_query_sees_a_key, place
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.terms import Term, term, without_casts

patterns = PatternSet()
assuming_visible = PatternSet()
"""The patterns of `tw-recover-masks{assume-visible=true}`."""

NEVER_VISIBLE = -1e9
"""An added mask value at or below this takes a key's probability to exactly 0, in every float type, next to a visible key."""

NEGLIGIBLE = -1e30
"""Next to an added mask value at or below this, every score and every other added number is lost to rounding."""


@register_pass
@dataclass(frozen=True)
class RecoverMasks(Pass):
    """Turn attention masks into the attributes `causal` and `window`, as far as they provably say just that.

    A mask is taken apart: a boolean one into its conjuncts, one that is added into its summands, of which those that add 0 or minus
    infinity are conditions too. Comparisons of key and query positions become attributes, with `q_offset` where queries and keys are not
    aligned at their ends; what is left (padding, biases) stays a mask of the smallest shape that broadcasts; when nothing is left there
    is no mask. A summand that is 0 or a large negative number differs from a boolean mask in rows without a visible key; it becomes
    attributes when these surely leave no such row, or when told to assume so.

    Before: `mask = (k <= q) & (k > q - 8) & pad[B, 1, 1, K]`, `attention(q, k, v, mask)`
    After: `attention(q, k, v, pad) {causal = true, window = 8}`
    """

    name: ClassVar[str] = "tw-recover-masks"
    assume_visible: bool = option(False, help="every query sees a key: masks that add a large negative number are boolean")

    def run(self, module: ir.Module) -> None:
        rewrite(module, assuming_visible if self.assume_visible else patterns)


@dataclass(frozen=True)
class _Condition:
    """A term under which a key is visible, or under which it is not."""

    term: Term
    holds: bool = True

    @property
    def is_certain(self) -> bool:
        """True for a condition under which all keys are visible."""
        return self.term.number is not None and bool(self.term.number) == self.holds

    def same(self, other: _Condition) -> bool:
        return self.holds == other.holds and self.term.same(other.term)

    def tensor(self) -> ir.Value:
        """Where the key is visible."""
        rw, value = self.term.rw, self.term.tensor()
        return value if self.holds else rw.map(lambda x: rw.scalars.arith("xori", x, rw.scalars.constant(True, "i1")), value)


@dataclass
class _Parts:
    """A mask: numbers that are added, and conditions under which a key is visible."""

    added: list[Term] = field(default_factory=list)
    conjuncts: list[_Condition] = field(default_factory=list)
    hidden: float = float("-inf")
    """The largest number that is added where a condition does not hold."""


@patterns.on("attention")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    return _recover(rw, op, assume_visible=False)


@assuming_visible.on("attention")
def recover_assuming_visible(rw: Rewriter, op: ir.Operation) -> bool:
    return _recover(rw, op, assume_visible=True)


def _recover(rw: Rewriter, op: ir.Operation, *, assume_visible: bool) -> bool:
    groups = rw.groups(op)
    if groups["mask"] is None or groups["block_table"] is not None:
        return False
    is_boolean = rw.info(groups["mask"]).dtype == "i1"
    parts = _taken_apart(term(rw, groups["mask"]), is_boolean)
    queries = rw.shape(groups["q"])[2]
    bounds: list[Bound] = []
    rest: list[_Condition] = []
    for conjunct in parts.conjuncts:
        found = _bound(conjunct, queries)
        if found is not None:
            bounds.append(found)
        elif not conjunct.is_certain and not any(conjunct.same(known) for known in rest):
            rest.append(conjunct)
    placement = place(rw, op, bounds)
    rest += [c for c in parts.conjuncts if (found := _bound(c, queries)) is not None and found in placement.left]
    is_partial = parts.hidden != float("-inf")
    if is_partial and not assume_visible and (rest or not every_query_sees_a_key(rw, op, bounds)):
        return False
    if is_partial and parts.added and parts.hidden > NEGLIGIBLE:
        return False
    if len(rest) == len(parts.conjuncts) and (parts.added or is_boolean):
        return False
    rw.rebuild(
        op,
        {"mask": _mask(rw, parts.added, rest), **placement.operands(rw, op)},
        causal=placement.causal,
        window=placement.window,
    )
    return True


def _taken_apart(mask: Term, is_boolean: bool) -> _Parts:
    parts = _Parts()
    if is_boolean:
        parts.conjuncts = _conjuncts(mask)
    else:
        _add_summands(parts, mask)
    return parts


def _moved(t: Term) -> Term:
    """The term under casts and movement that broadcasting does anyway: to more elements, or to a rank with other leading ones."""
    while True:
        t = without_casts(t)
        if t.is_op("broadcast") or (t.is_op("reshape") and _without_leading_ones(t.shape) == _without_leading_ones(t.args[0].shape)):
            t = t.args[0]
        else:
            return t


def _without_leading_ones(shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    return shape[next((i for i, size in enumerate(shape) if size != 1), len(shape)) :]


def _add_summands(parts: _Parts, t: Term) -> None:
    t = _moved(t)
    choice = _choice(t)
    if t.name == "arith.addf" and choice is None:
        for a in t.args:
            _add_summands(parts, a)
        return
    if choice is None and t.name == "arith.select":
        # Under a number that large, whatever would be added there is lost.
        condition, then, otherwise = t.args
        for kept, hidden, holds in ((then, otherwise, True), (otherwise, then, False)):
            if hidden.number is not None and hidden.number <= NEGLIGIBLE:
                parts.hidden = max(parts.hidden, hidden.number)
                parts.conjuncts += _conjuncts(condition, holds)
                _add_summands(parts, kept)
                return
    if choice is not None:
        condition, then, otherwise = choice
        for kept, hidden, holds in ((then, otherwise, True), (otherwise, then, False)):
            if kept == 0 and hidden <= NEVER_VISIBLE:
                parts.hidden = max(parts.hidden, hidden)
                parts.conjuncts += _conjuncts(condition, holds)
                return
    if t.number != 0:
        parts.added.append(t)


def _choice(t: Term) -> tuple[Term, float, float] | None:
    """A condition and the numbers that a float term is where it holds and where not: a selection, a truth value, arithmetic on these."""
    t = _moved(t)
    if t.name == "arith.uitofp" and t.args[0].dtype == "i1":
        return t.args[0], 1.0, 0.0
    if t.name == "arith.select":
        condition, then, otherwise = t.args
        return None if then.number is None or otherwise.number is None else (condition, then.number, otherwise.number)
    if t.name not in _ARITHMETIC:
        return None
    function, (lhs, rhs) = _ARITHMETIC[t.name], t.args
    if rhs.number is not None and (found := _choice(lhs)) is not None:
        return found[0], function(found[1], rhs.number), function(found[2], rhs.number)
    if lhs.number is not None and (found := _choice(rhs)) is not None:
        return found[0], function(lhs.number, found[1]), function(lhs.number, found[2])
    return None


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "arith.addf": operator.add, "arith.subf": operator.sub, "arith.mulf": operator.mul,
}  # fmt: skip

_COMPARISONS: dict[int, Callable[[float, float], bool]] = {
    1: operator.eq, 2: operator.gt, 3: operator.ge, 4: operator.lt, 5: operator.le, 6: operator.ne, 13: operator.ne,
}  # fmt: skip
"""Predicates of arith.cmpf on numbers."""


def _conjuncts(t: Term, holds: bool = True) -> list[_Condition]:
    """The conditions that all hold when a boolean term does (or does not)."""
    t = _moved(t)
    if t.name == ("arith.andi" if holds else "arith.ori"):
        return [c for a in t.args for c in _conjuncts(a, holds)]
    if t.name == "arith.xori" and t.args[1].number:
        return _conjuncts(t.args[0], not holds)
    if t.name == "arith.cmpf" and t.scalar is not None and t.args[1].number is not None:
        choice, compare = _choice(t.args[0]), _COMPARISONS.get(t.scalar.predicate)
        if choice is not None and compare is not None:
            where, elsewhere = (compare(number, t.args[1].number) for number in choice[1:])
            if where != elsewhere:
                return _conjuncts(choice[0], holds == where)
    return [_Condition(t, holds)]


def _bound(conjunct: _Condition, queries: Dim) -> Bound | None:
    t = conjunct.term
    if t.op is None or t.scalar is None:
        return None
    found = bound(t.rw, t.scalar, list(t.op.operands), t.shape, one_query=queries == 1)
    return found if found is None or conjunct.holds else found.inverted


def _mask(rw: Rewriter, added: Sequence[Term], conditions: Sequence[_Condition]) -> ir.Value | None:
    """A mask of numbers to add and conditions; a boolean one where nothing is added."""
    visible = _conjunction(rw, conditions)
    if not added:
        return visible
    table = rw.scalars
    tensors = [summand.tensor() for summand in added]
    dtype = max((rw.info(t).dtype for t in tensors), key=lambda d: tw.BYTES[d])
    total = rw.cast(tensors[0], dtype)
    for tensor in tensors[1:]:
        total = rw.map(lambda x, y: table.arith("addf", x, table.cast(y, dtype)), total, tensor)
    if visible is None:
        return total
    hidden = table.constant(float("-inf"), dtype)
    return rw.map(lambda x, c: table.arith("select", c, x, hidden), total, visible)


def _conjunction(rw: Rewriter, parts: Sequence[_Condition]) -> ir.Value | None:
    """All parts together; those of small shapes first, so that what they share is computed small."""
    tensors = sorted((p.tensor() for p in parts), key=lambda v: sum(d != 1 for d in rw.shape(v)))
    if not tensors:
        return None
    total = tensors[0]
    for tensor in tensors[1:]:
        total = rw.map(lambda x, y: rw.scalars.arith("andi", x, y), total, tensor)
    return total
