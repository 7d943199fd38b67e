"""Attention as two matmuls with a masked softmax between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, simplify_dim, to_expr
from tilewright.dialects.tw.ops.attention import group_size
from tilewright.passes.decompose.normalization import reduce
from tilewright.passes.decompose.registry import compute_dtype, decomposes
from tilewright.passes.rewrite import Rewriter
from tilewright.passes.scalars import Scalar, ScalarTable

_LESS_EQUAL, _LESS, _GREATER, _EQUAL = 3, 2, 4, 1
_INFINITY = float("inf")


@decomposes("attention")
def attention(rw: Rewriter, op: ir.Operation) -> Sequence[ir.Value]:
    """Scores `[B, H, Q, K]`, masked, normalized and multiplied by v.

    Query heads that share a key/value head are rows of one matmul, so keys and values are not repeated. A row without a visible key
    gives 0. Everything is computed in f32 (f64 for f64). Pages are gathered, and i8 rows multiplied by their scales, first.
    """
    groups, attributes = rw.groups(op), rw.attributes(op)
    result = rw.info(op.results[0])
    dtype = compute_dtype(result.dtype)
    q = rw.cast(groups["q"], dtype)
    k, v = (_rows(rw, groups[name], groups[f"{name}_scale"], groups["block_table"], dtype) for name in ("k", "v"))
    batch, heads, queries, size = rw.shape(q)
    kv_heads, keys = rw.shape(k)[1:3]
    rows = simplify_dim(to_expr(queries) * group_size(heads, kv_heads))
    if groups["kv_len"] is not None:
        v = _present(rw, v, groups["kv_len"], dtype)
    scores = rw.build("matmul", rw.reshape(q, (batch, kv_heads, rows, size)), k, transpose_rhs=True)
    scores = _masked(rw, op, rw.reshape(scores, (batch, heads, queries, keys)), keys, dtype)
    if not _may_hide_row(rw, op, queries, keys) and groups["sinks"] is None and not attributes["logsumexp"]:
        probabilities, statistics = rw.build("softmax", scores, dim=3), []
    else:
        probabilities, logsumexp = _normalized(rw, scores, groups["sinks"])
        statistics = [rw.cast(rw.reshape(logsumexp, (batch, heads, queries)), "f32")] if attributes["logsumexp"] else []
    out = rw.build("matmul", rw.reshape(probabilities, (batch, kv_heads, rows, keys)), v)
    return [rw.cast(rw.reshape(out, result.shape), result.dtype), *statistics]


def _rows(rw: Rewriter, value: ir.Value, scale: ir.Value | None, block_table: ir.Value | None, dtype: str) -> ir.Value:
    """k or v as `[B, Hkv, K, D]` in `dtype`."""
    if block_table is not None:
        value = _pages(rw, value, block_table)
        scale = None if scale is None else _pages(rw, scale, block_table)
    value = rw.cast(value, dtype)
    return value if scale is None else rw.map(lambda x, s: rw.scalars.arith("mulf", x, s), value, rw.reshape(scale, (*rw.shape(scale), 1)))


def _pages(rw: Rewriter, value: ir.Value, block_table: ir.Value) -> ir.Value:
    """`[P, Hkv, T, ..]` as `[B, Hkv, N*T, ..]`, after a block table `[B, N]`."""
    batch, count = rw.shape(block_table)
    _, heads, length, *rest = rw.shape(value)
    t = rw.scalars

    def inside(page: Scalar, pages: Scalar) -> Scalar:
        last = t.arith("subi", pages, t.constant(1, "i64"))
        return t.arith("maxsi", t.arith("minsi", t.cast(page, "i64"), last), t.constant(0, "i64"))

    # Entries past the keys of a batch element may hold anything.
    numbers = rw.map(inside, block_table, rw.build("dim", expr=rw.shape(value)[0]))
    pages = rw.build("gather", value, (numbers,), axes=(0,))
    order = (0, 2, 1, 3, *range(4, 4 + len(rest)))
    return rw.reshape(rw.build("transpose", pages, permutation=order), (batch, heads, simplify_dim(to_expr(count) * length), *rest))


def _present(rw: Rewriter, value: ir.Value, kv_len: ir.Value, dtype: str) -> ir.Value:
    """Values with zeros past the keys of each batch element, where anything may lie."""
    t = rw.scalars
    batch, _, keys, _ = rw.shape(value)
    number = rw.build("iota", shape=(keys, 1), dim=0)
    zero = t.constant(0.0, dtype)
    return rw.map(lambda x, j, n: t.arith("select", t.compare(_LESS, j, n), x, zero), value, number, _per_batch(rw, kv_len, batch))


def _may_hide_row(rw: Rewriter, op: ir.Operation, queries: Dim, keys: Dim) -> bool:
    """False when every query certainly sees a key: nothing is masked, or only by position with every query's own key present."""
    groups, attributes = rw.groups(op), rw.attributes(op)
    if any(groups[name] is not None for name in ("mask", "kv_len", "q_offset")):
        return True
    if len(op.regions) and len(rw.yields(op)) > 1:
        return True
    return (attributes["causal"] or attributes["window"] > 0) and not rw.at_least(keys, queries)


class _Region:
    """Collects the operands of one pointwise op while its expression is built."""

    def __init__(self, rw: Rewriter) -> None:
        self.rw = rw
        self.operands: list[ir.Value] = []

    def argument(self, value: ir.Value) -> Scalar:
        self.operands.append(value)
        return self.rw.scalars.argument(len(self.operands) - 1, self.rw.info(value).dtype)

    def size(self, expression: Dim) -> Scalar:
        """A size as an i64."""
        if isinstance(expression, int):
            return self.rw.scalars.constant(expression, "i64")
        return self.argument(self.rw.build("dim", expr=expression))


def _masked(rw: Rewriter, op: ir.Operation, scores: ir.Value, keys: Dim, dtype: str) -> ir.Value:
    """Scores scaled, capped, changed by the region and masked, in one pointwise op."""
    t, groups, attributes = rw.scalars, rw.groups(op), rw.attributes(op)
    region = _Region(rw)
    value = t.arith("mulf", region.argument(scores), t.constant(attributes["scale"], dtype))
    if attributes["softcap"]:
        cap = t.constant(attributes["softcap"], dtype)
        value = t.arith("mulf", t.math("tanh", t.arith("divf", value, cap)), cap)
    visible = _visible(rw, op, region, keys)
    if len(op.regions):
        value, *seen = _modified(rw, op, region, value, keys, dtype)
        visible += seen
    mask = groups["mask"]
    if mask is not None and rw.info(mask).dtype == "i1":
        visible.append(region.argument(mask))
    if visible:
        hidden = t.constant(-_INFINITY, dtype)
        value = t.arith("select", _all(t, visible), value, hidden)
    if mask is not None and rw.info(mask).dtype != "i1":
        value = t.arith("addf", value, t.cast(region.argument(mask), dtype))
    return rw.pointwise(region.operands, [value], rw.shape(scores))[0]


def _modified(rw: Rewriter, op: ir.Operation, region: _Region, score: Scalar, keys: Dim, dtype: str) -> list[Scalar]:
    """What the region of the op yields for a score."""
    t = rw.scalars
    sizes = (*rw.shape(op.operands[0])[:3], keys)
    positions = [region.argument(rw.build("iota", shape=(size, *[1] * (3 - i)), dim=0)) for i, size in enumerate(sizes)]
    known = [t.cast(score, "f32"), *positions, *(region.argument(value) for value in rw.groups(op)["score_inputs"])]
    arguments = {t.argument(i, scalar.dtype): scalar for i, scalar in enumerate(known)}
    memo: dict[Scalar, Scalar] = {}
    yielded = [t.substitute(scalar, arguments, memo) for scalar in rw.yields(op)]
    return [t.cast(yielded[0], dtype), *yielded[1:]]


def _visible(rw: Rewriter, op: ir.Operation, region: _Region, keys: Dim) -> list[Scalar]:
    """Conditions of visibility by position."""
    t, groups, attributes = rw.scalars, rw.groups(op), rw.attributes(op)
    batch, _, queries, _ = rw.shape(groups["q"])
    conditions: list[Scalar] = []
    by_position = attributes["causal"] or attributes["window"] > 0
    if not by_position and groups["kv_len"] is None:
        return conditions
    key = region.argument(rw.build("iota", shape=(keys,), dim=0))
    if by_position:
        query = region.argument(rw.build("iota", shape=(queries, 1), dim=0))
        offset = groups["q_offset"]
        shift = region.size(simplify_dim(to_expr(keys) - queries)) if offset is None else region.argument(_per_batch(rw, offset, batch))
        position = t.arith("addi", query, shift)
        if attributes["causal"]:
            conditions.append(t.compare(_LESS_EQUAL, key, position))
        if attributes["window"]:
            conditions.append(t.compare(_GREATER, key, t.arith("subi", position, t.constant(attributes["window"], "i64"))))
    if groups["kv_len"] is not None:
        conditions.append(t.compare(_LESS, key, region.argument(_per_batch(rw, groups["kv_len"], batch))))
    return conditions


def _per_batch(rw: Rewriter, value: ir.Value, batch: Dim) -> ir.Value:
    return rw.reshape(value, (batch, 1, 1, 1))


def _all(t: ScalarTable, conditions: Sequence[Scalar]) -> Scalar:
    total = conditions[0]
    for condition in conditions[1:]:
        total = t.arith("andi", total, condition)
    return total


def _normalized(rw: Rewriter, scores: ir.Value, sinks: ir.Value | None) -> tuple[ir.Value, ir.Value]:
    """Probabilities along the last dimension, 0 in rows that are -inf throughout, and the log of the normalizer `[.., 1]`."""
    t, dtype = rw.scalars, rw.info(scores).dtype
    zero, one, lowest = (t.constant(x, dtype) for x in (0.0, 1.0, -_INFINITY))
    top = reduce(rw, scores, (3,), "max")
    sink = None if sinks is None else rw.cast(rw.reshape(sinks, (1, *rw.shape(sinks), 1, 1)), dtype)
    if sink is not None:
        top = rw.map(lambda m, s: t.arith("maximumf", m, s), top, sink)
    # Without a visible key the maximum is -inf, and -inf less -inf would be NaN.
    top = rw.map(lambda m: t.arith("select", t.compare(_EQUAL, m, lowest), zero, m), top)
    exponential = rw.map(lambda s, m: t.math("exp", t.arith("subf", s, m)), scores, top)
    total = reduce(rw, exponential, (3,), "add")
    if sink is not None:
        total = rw.map(lambda n, s, m: t.arith("addf", n, t.math("exp", t.arith("subf", s, m))), total, sink, top)
    divide: Callable[..., Scalar] = lambda e, n: t.arith("divf", e, t.arith("select", t.compare(_EQUAL, n, zero), one, n))  # noqa: E731
    probabilities = rw.map(divide, exponential, total)
    logsumexp = rw.map(lambda m, n: t.arith("addf", m, t.math("log", n)), top, total)
    return probabilities, logsumexp
