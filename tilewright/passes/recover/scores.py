"""`tw-recover-scores`: masks that would be computed for every score, and the regions of attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tilewright.core.mlir import ir
from tilewright.core.passes import Pass
from tilewright.core.registry import register_pass
from tilewright.core.symbolic import to_expr
from tilewright.dialects import tw
from tilewright.passes.affine import Affine, splat
from tilewright.passes.recover.computed_masks import Absorbed, absorb
from tilewright.passes.recover.visibility import Bound, bound, place
from tilewright.passes.rewrite import PatternSet, Rewriter, rewrite
from tilewright.passes.scalars import Scalar, arguments_in, emit_scalars
from tilewright.passes.simplify.scalar_rules import simplified

patterns = PatternSet()

FIRST_INPUT = 5
"""The argument of a score region that is the element of the first score input: the score and its four indices come before."""


@register_pass
@dataclass(frozen=True)
class RecoverScores(Pass):
    """Compute masks inside attention, and say what a score region does by attributes where these can.

    A mask that is pointwise arithmetic on positions and on tensors that have not both the query and the key dimension (padding, slopes,
    document numbers) moves into the region, with these tensors as score inputs; so does one that joins such things with a smaller tensor.
    Then, of any region: comparisons of key and query become `causal` and `window`, `c * tanh(score / c)` becomes `softcap`, a factor of
    the score joins `scale`, a tensor that is only added, or the only condition, becomes the mask. Inputs that are one number or not used
    disappear, and so does a region that changes nothing.

    Before: `mask = (doc[1, 1, Q, 1] == doc[1, 1, 1, K]) & (k <= q)`, `attention(q, k, v, mask)`
    After: `attention(q, k, v, doc0, doc1) ({ (s, b, h, q, k, x, y) -> s, x == y }) {causal}`
    """

    name: ClassVar[str] = "tw-recover-scores"

    def run(self, module: ir.Module) -> None:
        rewrite(module, patterns)


@dataclass
class _Region:
    """A score region in parts: the score, the conditions under which a key is visible, and the operands that come with it."""

    score: Scalar
    conditions: list[Scalar]
    inputs: list[ir.Value]
    mask: ir.Value | None


@patterns.on("attention")
def recover(rw: Rewriter, op: ir.Operation) -> bool:
    groups, attributes = rw.groups(op), rw.attributes(op)
    region = _read(rw, op)
    changed = _absorb_mask(rw, op, region)
    if not len(op.regions) and not changed:
        return False
    before = None if changed else (region.score, list(region.conditions), list(region.inputs), region.mask)
    _fold_numbers(rw, region)
    region.score = _without_hiding(rw, region.score, region.conditions)
    scale, softcap = attributes["scale"], attributes["softcap"]
    if not softcap:
        scale, softcap = _scaling(rw, region, scale)
    shape = (*rw.shape(groups["q"])[:3], rw.shape(groups["k"])[2]) if groups["block_table"] is None else None
    bounds = [] if shape is None else [_bound(rw, c, region, shape) for c in region.conditions]
    placement = place(rw, op, [b for b in bounds if b is not None])
    if shape is not None:
        region.conditions = [c for c, b in zip(region.conditions, bounds) if b is None or b in placement.left]
    _move_to_mask(rw, region)
    _drop_unused(rw, region)
    values: dict[str, Any] = {"scale": scale, "softcap": softcap, "causal": placement.causal, "window": placement.window}
    same = before == (region.score, region.conditions, region.inputs, region.mask)
    if same and all(attributes[name] == value for name, value in values.items()):
        return False
    operands = {**groups, "mask": region.mask, "score_inputs": tuple(region.inputs), **placement.operands(rw, op)}
    attributes = {**attributes, **values}
    rw.replace(op, rw.build_many("attention", *operands.values(), region=_block(rw, op, region), **attributes))
    return True


def _read(rw: Rewriter, op: ir.Operation) -> _Region:
    groups = rw.groups(op)
    if not len(op.regions):
        return _Region(rw.scalars.argument(0, "f32"), [], [], groups["mask"])
    score, *visible = rw.yields(op)
    return _Region(score, [c for v in visible for c in _conjuncts(v)], list(groups["score_inputs"]), groups["mask"])


def _block(rw: Rewriter, op: ir.Operation, region: _Region) -> ir.Block | None:
    """The region, None for one that changes nothing."""
    t = rw.scalars
    yields = [region.score]
    if region.conditions:
        visible = region.conditions[0]
        for condition in region.conditions[1:]:
            visible = t.arith("andi", visible, condition)
        yields.append(visible)
    elif region.score is t.argument(0, "f32"):
        return None
    with ir.InsertionPoint(op):
        return tw.score_region(region.inputs, lambda *arguments: emit_scalars(yields, arguments), loc=op.location)


def _absorb_mask(rw: Rewriter, op: ir.Operation, region: _Region) -> bool:
    """Move a mask that would be computed for every score into the region; True when it did."""
    groups = rw.groups(op)
    if region.mask is None or groups["block_table"] is not None or rw.info(groups["q"]).dtype == "f64":  # regions compute in f32
        return False
    found = absorb(rw, op, region.mask)
    if found is None:
        return False
    t = rw.scalars
    mask = _joined(rw, found, region.inputs)
    region.mask = None
    if mask.dtype == "i1":
        region.conditions += _conjuncts(mask)
    else:
        region.score = t.arith("addf", region.score, _as_f32(rw, mask))
    return True


def _joined(rw: Rewriter, found: Absorbed, inputs: list[ir.Value]) -> Scalar:
    """The scalar of an absorbed mask over the arguments of the region, whose inputs it extends."""
    t = rw.scalars
    renamed: dict[Scalar, Scalar] = {}
    for i, value in enumerate(found.inputs):
        if value not in inputs:
            inputs.append(value)
        dtype = rw.info(value).dtype
        renamed[t.argument(FIRST_INPUT + i, dtype)] = t.argument(FIRST_INPUT + inputs.index(value), dtype)
    return simplified(t, t.substitute(found.scalar, renamed))


def _as_f32(rw: Rewriter, scalar: Scalar) -> Scalar:
    return rw.scalars.cast(scalar, "f32")


def _conjuncts(scalar: Scalar) -> list[Scalar]:
    if scalar.name == "arith.andi":
        return [c for a in scalar.args for c in _conjuncts(a)]
    return [] if scalar.is_constant and scalar.value else [scalar]


def _fold_numbers(rw: Rewriter, region: _Region) -> None:
    """Inputs that are one number are constants of the region; arithmetic is simplified."""
    t = rw.scalars
    known: dict[Scalar, Scalar] = {}
    for i, value in enumerate(region.inputs):
        number = splat(rw, value)
        if number is not None:
            dtype = rw.info(value).dtype
            known[t.argument(FIRST_INPUT + i, dtype)] = t.constant(number, dtype)
    region.score = simplified(t, t.substitute(region.score, known))
    conditions = [c for old in region.conditions for c in _conjuncts(simplified(t, t.substitute(old, known)))]
    region.conditions = list(dict.fromkeys(conditions))


def _without_hiding(rw: Rewriter, score: Scalar, conditions: list[Scalar]) -> Scalar:
    """The score without selections against minus infinity, and sums with them: these are conditions."""
    t = rw.scalars
    if score.name == "arith.select":
        condition, then, otherwise = score.args
        for kept, hidden, visible in ((then, otherwise, condition), (otherwise, then, _inverted(rw, condition))):
            if hidden.is_number(float("-inf")):
                _add(conditions, visible)
                return _without_hiding(rw, kept, conditions)
    if score.name == "arith.addf":
        for kept, added in (score.args, score.args[::-1]):
            if added.name == "arith.select":
                condition, then, otherwise = added.args
                for number, hidden, visible in ((then, otherwise, condition), (otherwise, then, _inverted(rw, condition))):
                    if hidden.is_number(float("-inf")):
                        _add(conditions, visible)
                        return _without_hiding(rw, simplified(t, t.arith("addf", kept, number)), conditions)
    return score


def _add(conditions: list[Scalar], visible: Scalar) -> None:
    conditions += [c for c in _conjuncts(visible) if c not in conditions]


def _inverted(rw: Rewriter, condition: Scalar) -> Scalar:
    t = rw.scalars
    return simplified(t, t.arith("xori", condition, t.constant(True, "i1")))


def _scaling(rw: Rewriter, region: _Region, scale: float) -> tuple[float, float]:
    """Scale and soft cap, with what the region does first to the score, if it does nothing else with it."""
    t = rw.scalars
    raw = t.argument(0, "f32")
    for _ in range(2):
        (user, *others) = _users(region.score, raw) or [raw]
        if others or any(_users(c, raw) for c in region.conditions) or user is raw:
            return scale, 0.0
        factor = _factor(user)
        if factor is None:
            return scale, 0.0
        (outer, *others) = _users(region.score, user) or [user]
        if not others and outer.name == "math.tanh":
            (product, *others) = _users(region.score, outer) or [outer]
            cap = _factor(product)
            if not others and cap is not None and cap > 0 and abs(cap * factor - 1) < 1e-6:
                region.score = t.substitute(region.score, {product: raw})
                return scale, cap
            return scale, 0.0
        scale *= factor
        region.score = t.substitute(region.score, {user: raw})
    return scale, 0.0


def _users(root: Scalar, used: Scalar) -> list[Scalar]:
    """The nodes of an expression of which `used` is an argument."""
    found: dict[Scalar, None] = {}
    pending, seen = [root], {root}
    while pending:
        node = pending.pop()
        if used in node.args:
            found[node] = None
        new = [a for a in node.args if a not in seen]
        seen.update(new)
        pending += new
    return list(found)


def _factor(scalar: Scalar) -> float | None:
    """The number by which an expression multiplies its first argument."""
    if scalar.name in ("arith.mulf", "arith.divf") and scalar.args[1].is_constant and scalar.args[1].value:
        return scalar.args[1].value if scalar.name == "arith.mulf" else 1.0 / scalar.args[1].value
    return None


def _bound(rw: Rewriter, condition: Scalar, region: _Region, shape: Sequence[object]) -> Bound | None:
    sizes = tuple(to_expr(d) if not isinstance(d, int) else d for d in shape)  # type: ignore[arg-type]
    indices = [Affine(0, tuple(int(i == d and sizes[d] != 1) for i in range(4))) for d in range(4)]
    return bound(rw, condition, [None, *indices, *region.inputs], sizes, one_query=sizes[2] == 1)


def _move_to_mask(rw: Rewriter, region: _Region) -> None:
    """A tensor that is all that is added, or the only condition, is a mask, which needs no region."""
    if region.mask is not None:
        return
    t = rw.scalars
    raw = t.argument(0, "f32")
    if region.score is raw and len(region.conditions) == 1:
        condition = region.conditions[0]
        if condition.is_argument and condition.index >= FIRST_INPUT:
            region.mask, region.conditions = region.inputs[condition.index - FIRST_INPUT], []
    elif not region.conditions and region.score.name == "arith.addf" and raw in region.score.args:
        added = region.score.args[region.score.args[0] is raw]
        source = added.args[0] if added.name == "arith.extf" else added
        if source.is_argument and source.index >= FIRST_INPUT and source.dtype in tw.FLOATS:
            region.mask, region.score = region.inputs[source.index - FIRST_INPUT], raw


def _drop_unused(rw: Rewriter, region: _Region) -> None:
    """Remove inputs that the region does not read, and those that occur twice."""
    t = rw.scalars
    used = sorted(i - FIRST_INPUT for i in arguments_in([region.score, *region.conditions]) if i >= FIRST_INPUT)
    inputs = list(dict.fromkeys(region.inputs[i] for i in used))
    renamed = {
        t.argument(FIRST_INPUT + i, rw.info(v).dtype): t.argument(FIRST_INPUT + inputs.index(v), rw.info(v).dtype)
        for i in used
        for v in [region.inputs[i]]
    }
    memo: dict[Scalar, Scalar] = {}
    region.score = t.substitute(region.score, renamed, memo)
    region.conditions = [t.substitute(c, renamed, memo) for c in region.conditions]
    region.inputs = inputs
