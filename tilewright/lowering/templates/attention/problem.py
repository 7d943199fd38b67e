"""What an attention kernel computes, as data: sizes and the strides of every tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.core.diagnostics import UnsupportedError
from tilewright.core.mlir import ir
from tilewright.core.symbolic import Dim
from tilewright.lowering.templates.views import StridedView


@dataclass(frozen=True)
class Strided:
    """A tensor over four dimensions, by one stride each: `[batch, head, row, column]`, in elements."""

    buffer: int
    dtype: str
    batch: Dim
    head: Dim
    row: Dim
    column: Dim


def strided(buffer: int, dtype: str, strides: Sequence[Dim]) -> Strided:
    """A tensor of up to four dimensions; those that there are not have the stride 0."""
    batch, head, row, column = [*strides, 0, 0, 0][:4]
    return Strided(buffer, dtype, batch, head, row, column)


def single_strides(view: StridedView, what: str) -> list[Dim]:
    """The stride of each dimension of a view. Raises UnsupportedError where a dimension has more than one."""
    for pieces in view.dims:
        if len(pieces) > 1:
            shown = " x ".join(f"{p.size}:{p.stride}" for p in pieces)
            raise UnsupportedError(
                f"{what} of an attention kernel has a dimension without a single stride",
                why=f"size:stride {shown}",
                remedy="keep the movement ops outside the kernel",
            )
    return [pieces[0].stride if pieces else 0 for pieces in view.dims]


@dataclass(frozen=True)
class AttentionProblem:
    """Scaled dot-product attention of `heads` query heads, `group` of which share one key and value head.

    `mask` is `i1` (true = visible) or additive f32, f16 or bf16 over `[batch, head, query, key]`; strides of 0 broadcast. `kv_len` and
    `q_offset` are inputs holding one i64 per batch element (None: all keys, and the last query aligned with the last key). `window` and
    `softcap` are 0 for none. `sinks` holds one extra logit per query head, `logsumexp` is the place of the second result. `score` is the
    region that changes scores, with its indices as i32 (`narrow_indices`); `score_inputs`, over `[batch, head, query, key]`, are for it.
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
    q: Strided
    k: Strided
    v: Strided
    out: Strided
    mask: Strided | None = None
    kv_len: int | None = None
    q_offset: int | None = None
    window: int = 0
    softcap: float = 0.0
    sinks: Strided | None = None
    logsumexp: Strided | None = None
    score: ir.Block | None = None
    score_inputs: tuple[Strided, ...] = ()

    def varies_by_lane(self, tensor: Strided) -> bool:
        """Whether the rows of one tile can have different elements of a tensor over query heads and queries."""
        return tensor.row != 0 or (self.group > 1 and tensor.head != 0)
