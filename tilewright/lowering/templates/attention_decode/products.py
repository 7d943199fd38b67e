"""Products of queries with keys: what all ways to compute them have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, vector
from tilewright.lowering.templates.attention_decode.cache import KeyRange
from tilewright.lowering.templates.index_math import Index

Prefetch = Callable[[Index], None]
"""Called with the offset of every four keys in their block."""


class KeyProducts(ABC):
    """Products of `rows` rows of queries at a time with a block of keys. They are not yet scaled by what belongs to a key."""

    @abstractmethod
    def begin(self) -> None:
        """Before all units."""

    @abstractmethod
    def end(self) -> None:
        """After all units."""

    @abstractmethod
    def prepare(self) -> None:
        """At the begin of a unit, once its queries are in scratch."""

    @abstractmethod
    def compute(self, keys: KeyRange, first_row: Index, first_key: Index, count: Index, prefetch: Prefetch | None) -> None:
        """Store the products of `rows` rows from `first_row` with `count` keys, in a form of its own."""

    @abstractmethod
    def load(self, first_row: Index, offset: Index) -> list[ir.Value]:
        """By row: the products with a vector of keys from `offset` in the block on. Those of keys past the end may be anything."""


def fold(values: Sequence[ir.Value], stage: int = 1) -> ir.Value:
    """`n` vectors (a power of two) as one: lane `l` is of vector `(l div stage) mod n`, and holds the sum of its lanes whose number differs
    from `l` in that digit alone. From stage 1 on with as many vectors as lanes: lane `l` is the sum of all lanes of vector `l`.
    """
    values = list(values)
    while len(values) > 1:
        values = [_fold_pair(values[i], values[i + 1], stage) for i in range(0, len(values), 2)]
        stage *= 2
    return values[0]


def _fold_pair(first: ir.Value, second: ir.Value, stage: int) -> ir.Value:
    lanes = ir.VectorType(first.type).shape[0]
    own = [lane + lanes if lane & stage else lane for lane in range(lanes)]
    partner = [(lane ^ stage) + lanes if lane & stage else lane ^ stage for lane in range(lanes)]
    return arith.addf(vector.shuffle(first, second, own), vector.shuffle(first, second, partner))
