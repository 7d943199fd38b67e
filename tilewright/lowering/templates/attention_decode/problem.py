"""What a decode attention kernel computes, as data: sizes, and the strides of every tensor."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.attention.problem import Strided


@dataclass(frozen=True)
class Pages:
    """A block table: input `table` holds page numbers (i32 `[batch, columns]`), `length` rows of each head are in a page."""

    table: int
    columns: Dim
    length: Dim


@dataclass(frozen=True)
class DecodeProblem:
    """Attention of `queries * group` rows of queries for each key and value head.

    With `pages`, `batch` of k, v and their scales is the stride from page to page. `mask` and `score_inputs` are over
    `[batch, head, query, key]`, strides of 0 broadcast; of `sinks` only `head` is not 0. `kv_len` and `q_offset` are numbers of inputs that
    hold i64. The results are `out`, and `logsumexp` over `[batch, head, query]`; None where nothing uses them. With `splits` > 1 they are
    those of slices of the keys, `slice_strides` apart.
    """

    batch: Dim
    kv_heads: Dim
    group: int
    queries: Dim
    keys: Dim
    head_size: int
    value_size: int
    scale: float
    causal: bool
    window: int
    softcap: float
    q: Strided
    k: Strided
    v: Strided
    out: Strided | None
    logsumexp: Strided | None
    splits: int = 1
    slice_strides: tuple[Dim, Dim] = (0, 0)
    pages: Pages | None = None
    k_scale: Strided | None = None
    v_scale: Strided | None = None
    mask: Strided | None = None
    kv_len: int | None = None
    q_offset: int | None = None
    sinks: Strided | None = None
    score: ir.Block | None = None
    score_inputs: tuple[Strided, ...] = ()

    @property
    def by_position(self) -> bool:
        """Whether rows differ in the keys that they see by their positions."""
        return self.causal or self.window > 0
