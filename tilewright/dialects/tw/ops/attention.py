"""Scaled dot-product attention, as one op with its variants as attributes."""

from __future__ import annotations

import numpy as np

from tilewright.core.symbolic import Dim, Expr
from tilewright.dialects.tw.ops.reduction import wide
from tilewright.dialects.tw.spec import Arguments, Attribute, Constraint, Kind, Operand, OpSpec, ReferenceContext, register_op
from tilewright.dialects.tw.types import FLOATS, TensorInfo, broadcast_shapes


def _heads_divide(args: Arguments) -> bool:
    heads, kv_heads = args.q.shape[1], args.k.shape[1]
    if isinstance(heads, Expr) or isinstance(kv_heads, Expr):
        return heads == kv_heads
    return kv_heads > 0 and heads % kv_heads == 0


def _mask_fits(args: Arguments) -> bool:
    if args.mask is None:
        return True
    scores = (args.q.shape[0], args.q.shape[1], args.q.shape[2], args.k.shape[2])
    return args.mask.dtype in ("i1", *FLOATS) and broadcast_shapes([scores, args.mask.shape]) == scores


@register_op
class AttentionOp(OpSpec):
    """`softmax(scale * q k^T + mask) v` per head, with q heads sharing k/v heads when `H > Hkv` (GQA).

    * `mask`: i1 (true = visible) or additive float, broadcast to `[B, H, Q, K]`.
    * `kv_len` [B] i64: keys at or past it are not visible. `q_offset` [B] i64: position of the first query; without it the
      last query is aligned with the last key (`K - Q`).
    * `causal`: key j is visible to the query at position p when `j <= p`. `window` w > 0: only when also `j > p - w`.
    * `softcap` c > 0: scores become `c * tanh(score / c)` before masking. `sinks` [H]: an extra logit per head that takes
      part in the normalization but has no value.
    * A row without a visible key gives 0. With `logsumexp`, a second result holds the log of the normalizer, f32 `[B, H, Q]`.
    """

    name = "attention"
    operands = (
        Operand("q", "[B, H, Q, D]"),
        Operand("k", "[B, Hkv, K, D]"),
        Operand("v", "[B, Hkv, K, Dv]"),
        Operand("mask", "i1 or float, broadcasts to [B, H, Q, K]", optional=True),
        Operand("kv_len", "i64 [B]", optional=True),
        Operand("q_offset", "i64 [B]", optional=True),
        Operand("sinks", "[H]", optional=True),
    )
    attributes = (
        Attribute("scale", Kind.FLOAT, "factor of the scores, usually 1/sqrt(D)"),
        Attribute("causal", Kind.BOOL, "later keys are not visible", False),
        Attribute("window", Kind.INT, "sliding window length, 0 for none", 0),
        Attribute("softcap", Kind.FLOAT, "soft cap of the scores, 0 for none", 0.0),
        Attribute("logsumexp", Kind.BOOL, "also return the log of the normalizer", False),
    )
    constraints = (
        Constraint("A1", "q, k, v have four dimensions", lambda a: a.q.rank == a.k.rank == a.v.rank == 4),
        Constraint("A2", "element types of q, k, v are equal and floating point", lambda a: a.q.dtype == a.k.dtype == a.v.dtype in FLOATS),
        Constraint("A3", "batch sizes are equal", lambda a: a.q.shape[0] == a.k.shape[0] == a.v.shape[0]),
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
    )
    example = (
        '%o = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>} : '
        "(tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>) -> tensor<1x8x16x64xf32>"
    )

    @staticmethod
    def infer(args: Arguments) -> list[TensorInfo]:
        out = args.q.with_shape((*args.q.shape[:3], args.v.shape[3]))
        stats: list[TensorInfo] = [TensorInfo(_leading(args.q.shape), "f32")] if args.logsumexp else []
        return [out, *stats]

    @staticmethod
    def reference(context: ReferenceContext, args: Arguments) -> list[np.ndarray]:
        q, k, v = wide(args.q), wide(args.k), wide(args.v)
        group = q.shape[1] // k.shape[1]
        k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
        scores = np.matmul(q, np.swapaxes(k, -1, -2)) * args.scale
        if args.softcap:
            scores = args.softcap * np.tanh(scores / args.softcap)
        scores = np.where(_visible(args, q.shape, k.shape), scores, -np.inf)
        if args.mask is not None and args.mask.dtype != np.bool_:
            scores = scores + wide(args.mask)
        with np.errstate(all="ignore"):
            top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
            if args.sinks is not None:
                top = np.maximum(top, wide(args.sinks)[None, :, None, None])
            top = np.where(np.isneginf(top), 0.0, top)
            weights = np.exp(scores - top)
            total = weights.sum(axis=-1, keepdims=True)
            if args.sinks is not None:
                total = total + np.exp(wide(args.sinks)[None, :, None, None] - top)
            out = np.where(total > 0, np.matmul(weights, v) / np.where(total > 0, total, 1), 0)
            lse = (top + np.log(total))[..., 0]
        return [out.astype(args.q.dtype), lse.astype(np.float32)] if args.logsumexp else [out.astype(args.q.dtype)]


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
