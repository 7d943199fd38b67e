"""Scaled dot-product attention, as one op with its variants as attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim, Expr, simplify_dim, to_expr
from tilewright.dialects.tw.ops.reduction import wide
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import FLOATS, TensorInfo, broadcast_shapes

_SCORE_ARGUMENTS = ("f32", "i64", "i64", "i64", "i64")
"""The first arguments of a score region: the score, and the indices of its batch element, query head, query and key."""


def _heads_divide(args: Arguments) -> bool:
    heads, kv_heads = args.q.shape[1], args.k.shape[1]
    if isinstance(heads, Expr) or isinstance(kv_heads, Expr):
        return heads == kv_heads
    return kv_heads > 0 and heads % kv_heads == 0


def key_count(k: TensorInfo, block_table: TensorInfo | None) -> Dim:
    """The number of keys, of those in all pages where there is a block table."""
    return k.shape[2] if block_table is None else simplify_dim(to_expr(block_table.shape[1]) * k.shape[2])


def group_size(heads: Dim, kv_heads: Dim) -> int:
    """Query heads that share one key and value head; sizes that are not static are equal."""
    return heads // kv_heads if isinstance(heads, int) and isinstance(kv_heads, int) and kv_heads else 1


def _scores_shape(args: Arguments) -> tuple[Dim, ...]:
    return (*args.q.shape[:3], key_count(args.k, args.block_table))


def _mask_fits(args: Arguments) -> bool:
    if args.mask is None:
        return True
    scores = _scores_shape(args)
    return args.mask.dtype in ("i1", *FLOATS) and broadcast_shapes([scores, args.mask.shape]) == scores


def _dtypes_fit(args: Arguments) -> bool:
    q, k, v = args.q.dtype, args.k.dtype, args.v.dtype
    if k != v or q not in FLOATS:
        return False
    if k == "i8":
        return args.k_scale is not None
    return k == q or (q == "f32" and k in ("bf16", "f16"))


def _scales_fit(args: Arguments) -> bool:
    if (args.k_scale is None) != (args.v_scale is None):
        return False
    return args.k_scale is None or all(x.dtype == "f32" and x.shape == args.k.shape[:3] for x in (args.k_scale, args.v_scale))


def _pages_fit(args: Arguments) -> bool:
    table = args.block_table
    return table is None or (table.dtype == "i32" and table.rank == 2 and table.shape[0] == args.q.shape[0] and args.kv_len is not None)


def _score_inputs_fit(args: Arguments) -> bool:
    scores = _scores_shape(args)
    return all(broadcast_shapes([scores, x.shape]) == scores for x in args.score_inputs)


def _region_fits(args: Arguments) -> bool:
    if not args.regions:
        return not args.score_inputs
    block = args.regions[0].blocks[0]
    if [str(a.type) for a in block.arguments] != [*_SCORE_ARGUMENTS, *(x.dtype for x in args.score_inputs)]:
        return False
    operations = list(block.operations)
    return bool(operations) and [str(v.type) for v in operations[-1].operands] in (["f32"], ["f32", "i1"])


@register_op
class AttentionOp(OpSpec):
    """`softmax(scale * q k^T + mask) v` per head, with q heads sharing k/v heads when `H > Hkv` (GQA).

    * `mask`: i1 (true = visible) or additive float, broadcast to `[B, H, Q, K]`.
    * `kv_len` [B] i64: keys at or past it are not visible. `q_offset` [B] i64: position of the first query; without it the
      last query is aligned with the last key (`K - Q`).
    * `causal`: key j is visible to the query at position p when `j <= p`. `window` w > 0: only when also `j > p - w`.
    * `softcap` c > 0: scores become `c * tanh(score / c)` before masking. `sinks` [H]: an extra logit per head that takes
      part in the normalization but has no value.
    * A region changes scores after scale and soft cap, before masks: `(score: f32, b, h, q, k: i64, score_inputs...)`, with a scalar for
      each of `score_inputs`, which broadcast to `[B, H, Q, K]`. `h` counts query heads; `q` and `k` count from 0 in q and k. It yields the
      score, and may yield an i1: whether the key is visible to the query.
    * `block_table` [B, N] i32: k and v are pages `[P, Hkv, T, D]`; key j of batch element b is row `j mod T` of page
      `block_table[b, j div T]`, there are `K = N T` keys, and `kv_len` says how many of them are there. Entries past those are not read.
    * k and v may be narrower than q: bf16 or f16 beside an f32 q, or i8 with `k_scale` and `v_scale` f32 `[B, Hkv, K]` (`[P, Hkv, T]` in
      pages), one factor per row.
    * A row without a visible key gives 0. With `logsumexp`, a second result holds the log of the normalizer, f32 `[B, H, Q]`; minus
      infinity for such a row.
    * `splits` n > 0: the keys are dealt out among n slices, and both results are those of each slice alone, f32: `[n, B, H, Q, Dv]` and
      `[n, B, H, Q]`. Which keys a slice has is not said, and may depend on what a query sees; results are to be merged by their
      logarithms (`tw-split-attention`).
    """

    name = "attention"
    operands = (
        Operand("q", "[B, H, Q, D]"),
        Operand("k", "[B, Hkv, K, D], or pages [P, Hkv, T, D]"),
        Operand("v", "[B, Hkv, K, Dv], or pages [P, Hkv, T, Dv]"),
        Operand("mask", "i1 or float, broadcasts to [B, H, Q, K]", optional=True),
        Operand("kv_len", "i64 [B]", optional=True),
        Operand("q_offset", "i64 [B]", optional=True),
        Operand("sinks", "[H]", optional=True),
        Operand("block_table", "i32 [B, N]", optional=True),
        Operand("k_scale", "f32 [B, Hkv, K], or [P, Hkv, T]", optional=True),
        Operand("v_scale", "f32, like k_scale", optional=True),
        Operand("score_inputs", "tensors that broadcast to [B, H, Q, K], for the region", variadic=True),
    )
    attributes = (
        Attribute("scale", Kind.FLOAT, "factor of the scores, usually 1/sqrt(D)"),
        Attribute("causal", Kind.BOOL, "later keys are not visible", False),
        Attribute("window", Kind.INT, "sliding window length, 0 for none", 0),
        Attribute("softcap", Kind.FLOAT, "soft cap of the scores, 0 for none", 0.0),
        Attribute("logsumexp", Kind.BOOL, "also return the log of the normalizer", False),
        Attribute("splits", Kind.INT, "number of slices of the keys that have results of their own, 0 for one result", 0),
    )
    regions = 1
    optional_regions = True
    constraints = (
        Constraint("A1", "q, k, v have four dimensions", lambda a: a.q.rank == a.k.rank == a.v.rank == 4),
        Constraint("A2", "q is floating point; k and v are of one type: that of q, bf16 or f16 beside f32, or i8 with scales", _dtypes_fit),
        Constraint(
            "A3",
            "batch sizes are equal (of k and v alone where there is a block table)",
            lambda a: a.k.shape[0] == a.v.shape[0] and (a.block_table is not None or a.q.shape[0] == a.k.shape[0]),
        ),
        Constraint("A4", "q and k have the same head size", lambda a: a.q.shape[3] == a.k.shape[3]),
        Constraint("A5", "k and v have the same heads and length", lambda a: a.k.shape[1:3] == a.v.shape[1:3]),
        Constraint("A6", "the number of q heads is a multiple of the number of k/v heads", _heads_divide),
        Constraint("A7", "the mask is i1 or float and broadcasts to [B, H, Q, K]", _mask_fits),
        Constraint(
            "A8",
            "kv_len and q_offset are i64 [B]",
            lambda a: all(x is None or (x.dtype == "i64" and x.shape == a.q.shape[:1]) for x in (a.kv_len, a.q_offset)),
        ),
        Constraint("A9", "sinks are [H]", lambda a: a.sinks is None or a.sinks.shape == a.q.shape[1:2]),
        Constraint("A10", "window and softcap are not negative", lambda a: a.window >= 0 and a.softcap >= 0),
        Constraint("A11", "a block table is i32 [B, N] and comes with kv_len", _pages_fit),
        Constraint("A12", "k_scale and v_scale come together, f32, with the first three sizes of k", _scales_fit),
        Constraint("A13", "score inputs broadcast to [B, H, Q, K]", _score_inputs_fit),
        Constraint(
            "A14",
            "the region takes (f32, i64, i64, i64, i64) and a scalar per score input, and yields f32 or (f32, i1)",
            _region_fits,
        ),
        Constraint(
            "A15",
            "splits is not negative; slices come with logsumexp, and without sinks",
            lambda a: a.splits == 0 or (a.splits > 0 and a.logsumexp and a.sinks is None),
        ),
    )
    example = (
        '%o = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, causal = true, '
        "operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>} : "
        "(tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>) -> tensor<1x8x16x64xf32>"
    )

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        out = args.q.with_shape((*args.q.shape[:3], args.v.shape[3]))
        if args.splits:
            return [TensorInfo((args.splits, *shape), "f32") for shape in (out.shape, _leading(out.shape))]
        stats: list[TensorInfo] = [TensorInfo(_leading(args.q.shape), "f32")] if args.logsumexp else []
        return [out, *stats]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        v = _rows(args.v, args.v_scale, args.block_table)
        v = np.repeat(v, args.q.shape[1] // v.shape[1], axis=1)
        scores = _scores(context, args)
        if args.splits:
            slices = np.arange(v.shape[2]) // max(1, -(-v.shape[2] // args.splits))
            parts = [_softmax_of(np.where(slices == i, scores, -np.inf), v, None) for i in range(args.splits)]
            return [np.stack(results).astype(np.float32) for results in zip(*parts, strict=True)]
        out, logsumexp = _softmax_of(scores, v, args.sinks)
        return [out.astype(args.q.dtype), logsumexp.astype(np.float32)] if args.logsumexp else [out.astype(args.q.dtype)]


def _scores(context: ReferenceContext, args: Arguments) -> np.ndarray:
    """`[B, H, Q, K]`, -inf where a key is not visible."""
    q, k = wide(args.q), _rows(args.k, args.k_scale, args.block_table)
    k = np.repeat(k, q.shape[1] // k.shape[1], axis=1)
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) * args.scale
    if args.softcap:
        scores = args.softcap * np.tanh(scores / args.softcap)
    visible = _visible(args, q.shape, k.shape)
    if context.regions:
        scores, seen = _modified(context.regions[0], scores, args.score_inputs)
        visible = visible & seen
    scores = np.where(visible, scores, -np.inf)
    return scores if args.mask is None or args.mask.dtype == np.bool_ else scores + wide(args.mask)


def _softmax_of(scores: np.ndarray, v: np.ndarray, sinks: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The values weighted by the softmax of scores, and the log of the normalizer."""
    with np.errstate(all="ignore"):
        top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
        if sinks is not None:
            top = np.maximum(top, wide(sinks)[None, :, None, None])
        top = np.where(np.isneginf(top), 0.0, top)
        weights = np.exp(scores - top)
        # Values of keys that nothing sees are not looked at: they may be infinite, or not there at all.
        v = np.where(np.any(weights != 0, axis=2)[..., None], v, 0.0)
        total = weights.sum(axis=-1, keepdims=True)
        if sinks is not None:
            total = total + np.exp(wide(sinks)[None, :, None, None] - top)
        out = np.where(total != 0, np.matmul(weights, v) / np.where(total != 0, total, 1), 0)
        return out, (top + np.log(total))[..., 0]


def _rows(x: np.ndarray, scale: np.ndarray | None, block_table: np.ndarray | None) -> np.ndarray:
    """k or v as `[B, Hkv, K, D]` in the precision of the reference."""
    rows = wide(x) if scale is None else x.astype(np.float64) * scale[..., None]
    if block_table is None:
        return rows
    _, heads, length, size = rows.shape
    batch, count = block_table.shape
    # Entries past the keys of a batch element may hold anything.
    numbers = np.clip(block_table, 0, max(len(rows) - 1, 0))
    pages = rows[numbers] if len(rows) else np.zeros((batch, count, heads, length, size))
    return np.moveaxis(pages, 1, 2).reshape(batch, heads, count * length, size)


def _modified(region: ir.Region, scores: np.ndarray, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Scores after a region, and where it says that keys are visible."""
    from tilewright.dialects.tw.scalar import evaluate_region

    indices = np.ogrid[tuple(slice(n) for n in scores.shape)]
    arguments = [scores.astype(np.float32), *(i.astype(np.int64) for i in indices), *inputs]
    with np.errstate(all="ignore"):
        score, *seen = evaluate_region(region, [np.broadcast_to(a, scores.shape) for a in arguments])
    return score.astype(scores.dtype), np.broadcast_to(seen[0], scores.shape) if seen else np.ones(scores.shape, bool)


def _leading(shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    return shape[:3]


def _visible(args: Arguments, q_shape: tuple[int, ...], k_shape: tuple[int, ...]) -> np.ndarray:
    batch, queries, keys = q_shape[0], q_shape[2], k_shape[2]
    offset = np.full(batch, keys - queries) if args.q_offset is None else args.q_offset
    position = offset[:, None, None, None] + np.arange(queries)[None, None, :, None]
    key = np.arange(keys)[None, None, None, :]
    visible = np.ones((batch, 1, queries, keys), bool)
    if args.causal:
        visible &= key <= position
    if args.window:
        visible &= key > position - args.window
    if args.kv_len is not None:
        visible &= key < args.kv_len[:, None, None, None]
    if args.mask is not None and args.mask.dtype == np.bool_:
        visible = visible & args.mask
    return visible
