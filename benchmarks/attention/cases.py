"""What is measured: sizes, dtypes, masks and changed scores, caches, threads, each with the bars that Tilewright is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from benchmarks.suite import cases
from benchmarks.suite.cases import DTYPE_BYTES, Bar, best_of

VARIANTS = ("plain", "padding", "mask", "window", "alibi", "softcap", "score_mod")
WINDOW, SOFTCAP, DECAY, PAGE = 512, 50.0, 0.01, 64
"""Keys that a window shows; the cap; what score_mod takes off for each position between query and key; keys in a page of a cache."""
TILE = 64
"""Queries and keys of the tiles of scores that are counted where masks and changed scores are compared with the plain kernel."""
TOLERANCE = {"f32": 1e-5, "bf16": 2.0**-6, "s8": 1e-5}
"""Largest error relative to the largest result. An s8 cache is compared with what its integers and factors stand for."""


@dataclass(frozen=True)
class Case(cases.Case):
    """`softmax(q k^T / sqrt(size)) v`, `heads` of q sharing `kv_heads`; q, k, v of `dtype`, for s8 the cache (k, v) with f32 q.

    Variants: `padding`, booleans [B, 1, 1, K] that hide the last eighth of the keys; `mask`, numbers [B, 1, Q, K] that do the same;
    `window`, the last 512 keys; `alibi`, a slope for each head times the distance; `softcap` 50; `score_mod`, a hundredth of the
    distance taken off. `paged`: k and v in pages of 64 keys in random order. `rotate` changes the cache. `is_memory`: only the peak of
    resident memory during a call is measured, and only some rows of the result are compared.
    """

    heads: int
    kv_heads: int
    queries: int
    keys: int
    size: int
    batch: int = 1
    causal: bool = False
    variant: str = "plain"
    paged: bool = False
    is_memory: bool = False

    bare: ClassVar[str] = "our plain kernel (contiguous, no mask) for the same work"

    @property
    def title(self) -> str:
        heads = f"h{self.heads}" + (f"/{self.kv_heads}" if self.kv_heads != self.heads else "")
        lengths = f"q{self.queries} k{self.keys}" if self.queries != self.keys else f"s{self.keys}"
        parts = [self.dtype, f"b{self.batch}", heads, lengths, f"d{self.size}"]
        if self.queries == self.keys:
            parts.append("causal" if self.causal else "full")
        if self.variant != "plain":
            parts.append(self.variant)
        return " ".join([*parts, "paged"] if self.paged else parts)

    @property
    def is_decode(self) -> bool:
        return self.queries == 1

    @property
    def pairs(self) -> float:
        """Pairs of query and key that count as work, for one head."""
        if self.variant == "window":
            return sum(min(i + 1, WINDOW) for i in range(self.queries))
        return self.queries * self.keys * (0.5 if self.causal else 1.0)

    @property
    def tiles(self) -> int:
        """Tiles of scores with a visible pair, masks that are data aside, for one head."""
        count = 0
        for first in range(0, self.queries, TILE):
            last = min(first + TILE, self.queries) - 1
            stop = last + 1 if self.causal else self.keys
            start = max(0, first - WINDOW + 1) if self.variant == "window" else 0
            count += -(-stop // TILE) - start // TILE
        return count

    @property
    def flops(self) -> int:
        return int(4 * self.batch * self.heads * self.size * self.pairs)

    @property
    def rotated_bytes(self) -> int:
        """Bytes of k and v, with the factors of an s8 cache."""
        rows = 2 * self.batch * self.kv_heads * self.keys
        return rows * (self.size * DTYPE_BYTES[self.dtype] + (4 if self.dtype == "s8" else 0))

    @property
    def moved_bytes(self) -> int:
        """Bytes of q, k, v and the result."""
        q_bytes = 2 if self.dtype == "bf16" else 4
        return self.rotated_bytes + 2 * self.batch * self.heads * self.queries * self.size * q_bytes

    @property
    def tolerance(self) -> float:
        return TOLERANCE[self.dtype]

    @property
    def peak_dtype(self) -> str | None:
        return None if self.is_decode or self.is_memory else self.dtype

    @property
    def plain(self) -> Case:
        """The same sizes with nothing but the causal triangle, and a contiguous cache."""
        return replace(self, variant="plain", paged=False)


Shape = tuple[int, int, int, int, bool]
"""Heads, key/value heads, length, head size, causal."""
SHAPES: tuple[Shape, ...] = ((16, 16, 1024, 64, True), (32, 8, 2048, 128, True), (12, 12, 128, 32, False), (8, 8, 997, 64, True))
RATIOS = {"f32": (3.0, 3.0, 2.7, 3.0), "bf16": (5.0, 5.0, 5.0, 5.0)}
OF_PEAK = {"f32": 0.85, "bf16": 0.80}


def make(group: str, dtype: str, shape: Shape, **changes: object) -> Case:
    """A case of self-attention."""
    heads, kv_heads, length, size, causal = shape
    return replace(Case(group, dtype, heads, kv_heads, length, length, size, causal=causal), **changes)  # pyright: ignore[reportArgumentType]


def prefill(dtype: str) -> Iterator[Case]:
    for threads in (1, 2):
        for shape, ratio in zip(SHAPES, RATIOS[dtype], strict=True):
            bars = [best_of(at_least=ratio)]
            if shape[2] >= 1024:
                bars.append(Bar("peak", OF_PEAK[dtype]))
            if dtype == "bf16":
                bars.append(Bar("accuracy", 0.8, ("torch",)))
            yield make(dtype, dtype, shape, threads=threads, bars=tuple(bars))


def variants(dtype: str) -> Iterator[Case]:
    bars = (Bar("bare", 1 / 1.15),)
    for variant in ("padding", "window", "alibi", "softcap", "score_mod"):
        for shape in SHAPES:
            if variant == "window" and not (shape[4] and shape[2] > WINDOW):
                continue
            yield make(f"masks and scores, {dtype}", dtype, shape, variant=variant, bars=bars)


def decode() -> Iterator[Case]:
    for threads in (1, 2):
        for dtype in ("f32", "bf16", "s8"):
            for batch in (1, 8):
                bar = Bar("dram", 0.8)
                case = Case("decode", dtype, 32, 8, 1, 4096, 128, batch, threads=threads, rotate=True, bars=(bar,))
                yield case
                yield replace(case, paged=True, bars=(bar, Bar("bare", 0.95)))


def encoders() -> Iterator[Case]:
    """Attention of MiniLM and BERT, which has no bar of its own."""
    for batch, length, size, variant in ((1, 16, 32, "padding"), (1, 128, 32, "padding"), (8, 128, 32, "padding"), (8, 128, 32, "mask"),
                                         (1, 512, 64, "padding")):  # fmt: skip
        yield make("encoders", "f32", (12, 12, length, size, False), batch=batch, variant=variant)


def memory() -> Iterator[Case]:
    for causal in (True, False):
        yield make("memory", "f32", (8, 8, 16384, 64, causal), is_memory=True, bars=(Bar("memory", 1.2),))


def full() -> list[Case]:
    return [*prefill("f32"), *prefill("bf16"), *variants("f32"), *variants("bf16"), *decode(), *encoders(), *memory()]


def short() -> list[Case]:
    """Some cases of each group."""
    return [
        c
        for c in full()
        if c.threads == 1
        and (
            (c.group in ("f32", "bf16") and c.keys != 2048)
            or (c.group.startswith("masks") and c.keys == 1024)
            or (c.group == "decode" and c.batch == 1)
            or (c.group == "encoders" and c.batch == 1 and c.keys == 128)
        )
    ]
