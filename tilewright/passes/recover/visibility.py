"""Which keys a query sees, as comparisons of their indices, and the attributes of `tw.attention` that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.dialects.tw.ops.attention import key_count
from tilewright.passes.affine import Affine, scalar_affine, splat
from tilewright.passes.rewrite import Rewriter
from tilewright.passes.scalars import Scalar

# Signed predicates of arith.cmpi on a difference d, as d <= limit or d >= limit.
_AT_MOST = {2: -1, 3: 0}
_AT_LEAST = {4: 1, 5: 0}


@dataclass(frozen=True)
class Bound:
    """`key - query <= limit` for an upper bound, else `key - query >= limit`. Indices count from 0."""

    is_upper: bool
    limit: Dim

    @property
    def inverted(self) -> Bound:
        """The bound that holds where this one does not."""
        return Bound(not self.is_upper, simplify_dim(to_expr(self.limit) + (1 if self.is_upper else -1)))


def bound(
    rw: Rewriter, condition: Scalar, operands: Sequence[ir.Value | Affine | None], shape: Sequence[Dim], one_query: bool = False
) -> Bound | None:
    """The bound that a condition of shape `[.., Q, K]` is. With one query its index is 0 and does not occur."""
    if condition.name != "arith.cmpi" or len(shape) > 4:
        return None
    predicate = condition.predicate
    if predicate not in _AT_MOST and predicate not in _AT_LEAST:
        return None
    padded = (*(1,) * (4 - len(shape)), *shape)
    sides = [scalar_affine(rw, a, operands, padded) for a in condition.args]
    if sides[0] is None or sides[1] is None:
        return None
    difference = sides[0].plus(sides[1], -1)
    is_upper = predicate in _AT_MOST
    limit = simplify_dim(to_expr(_AT_MOST[predicate] if is_upper else _AT_LEAST[predicate]) - difference.offset)
    forward, backward = ((0, 0, 0, 1), (0, 0, 0, -1)) if one_query else ((0, 0, -1, 1), (0, 0, 1, -1))
    if difference.coefficients == forward:
        return Bound(is_upper, limit)
    return Bound(not is_upper, simplify_dim(-to_expr(limit))) if difference.coefficients == backward else None


@dataclass
class Placement:
    """Attributes of an attention that say what bounds say, as far as they can."""

    causal: bool
    window: int
    offset: Dim | None = None
    """The position of the first query, where it has to be given."""
    left: list[Bound] = field(default_factory=list)
    """Bounds that the attributes do not say."""

    def operands(self, rw: Rewriter, op: ir.Operation) -> dict[str, ir.Value]:
        """The operand that gives the position of the first query, if needed."""
        if self.offset is None:
            return {}
        batch = rw.shape(op.operands[0])[:1]
        if isinstance(self.offset, Expr):
            return {"q_offset": rw.broadcast(rw.build("dim", expr=self.offset), batch)}
        return {"q_offset": rw.constant(self.offset, tw.TensorInfo(batch, "i64"))}


def place(rw: Rewriter, op: ir.Operation, bounds: Sequence[Bound]) -> Placement:
    """Say bounds by `causal`, `window` and, where queries and keys are not aligned at their ends, the position of the first query."""
    groups, attributes = rw.groups(op), rw.attributes(op)
    found = Placement(attributes["causal"], attributes["window"])
    table = groups["block_table"]
    keys = key_count(rw.info(groups["k"]), None if table is None else rw.info(table))
    aligned = simplify_dim(to_expr(keys) - rw.shape(groups["q"])[2])
    offset = _offset(rw, groups["q_offset"], aligned, fixed=found.causal or found.window > 0, bounds=bounds)
    if offset is None:
        found.left = list(bounds)
        return found
    for given in bounds:
        window = None if given.is_upper else simplify_dim(to_expr(offset) + 1 - given.limit)
        if given.is_upper and given.limit == offset:
            found.causal = True
        elif isinstance(window, int) and window > 0:
            found.window = min(found.window, window) if found.window else window
        else:
            found.left.append(given)
    if len(found.left) < len(bounds) and groups["q_offset"] is None and offset != aligned:
        found.offset = offset
    return found


def _offset(rw: Rewriter, given: ir.Value | None, aligned: Dim, fixed: bool, bounds: Sequence[Bound]) -> Dim | None:
    """The position of the first query with which attributes can say most; None where it is given but not known."""
    if given is not None:
        number = splat(rw, given)
        return None if number is None else int(number)
    uppers = [b.limit for b in bounds if b.is_upper]
    if fixed or aligned in uppers:
        return aligned
    if uppers:
        return uppers[0]
    if any(isinstance(simplify_dim(to_expr(aligned) - b.limit), int) for b in bounds):
        return aligned
    return 0


def every_query_sees_a_key(rw: Rewriter, op: ir.Operation, bounds: Sequence[Bound]) -> bool:
    """True when bounds, taken together with what the op itself hides, surely leave a key to every query."""
    groups, attributes = rw.groups(op), rw.attributes(op)
    if any(groups[name] is not None for name in ("kv_len", "q_offset", "block_table")) or (len(op.regions) and len(rw.yields(op)) > 1):
        return False
    queries, keys = rw.shape(groups["q"])[2], rw.shape(groups["k"])[2]
    aligned = to_expr(keys) - queries
    if attributes["causal"]:
        bounds = [*bounds, Bound(True, aligned)]
    if attributes["window"]:
        bounds = [*bounds, Bound(False, aligned - attributes["window"] + 1)]
    uppers = [b.limit for b in bounds if b.is_upper]
    lowers = [b.limit for b in bounds if not b.is_upper]
    # The keys of query i are max(0, i + lower) .. min(K - 1, i + upper).
    return (
        all(rw.at_least(u, 0) for u in uppers)
        and all(rw.at_least(simplify_dim(to_expr(keys) - queries), low) for low in lowers)
        and all(rw.at_least(u, low) for u in uppers for low in lowers)
    )
