"""The seam between the loops of an attention kernel and the instructions that multiply matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilewright.core.mlir import ir
from tilewright.lowering.templates.attention.context import KernelContext
from tilewright.lowering.templates.attention.rows import TilePlace
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.memory import Flat

FinishScores = Callable[[list[ir.Value], Sequence[Index], list[ir.Value]], tuple[list[ir.Value], list[ir.Value]]]
"""`finish(tile, keys, best)`: raw scores `tile[key][vector]` of the numbered keys become scores as the softmax reads them; `best`, the
largest so far by vector, takes them in. Key numbers are ascending; the last may repeat."""

UnchangedScores = Callable[[Sequence[Index]], ir.Value | bool]
"""`unchanged(keys)`: whether raw scores of the numbered keys are finished scores as they are (an i1); False where that is not known."""


@dataclass(frozen=True)
class KeyBlock:
    """The keys `first <= key < first + count` of one head, `0 < count <= schedule.block`, that a tile of queries meets at once."""

    place: TilePlace
    first: Index
    count: Index
    ends: tuple[Index, ...]
    """For each vector of queries: it needs the first so many keys of the block, a multiple of `schedule.rows` or `count`; ascending."""

    def ranges(self, index: IndexMath, end: Index) -> list[tuple[Index, Index, range]]:
        """The parts `first <= key < end` of the block's keys up to `end`, and the vectors which need them."""
        ends = [end if isinstance(e, int) and e == self.count else index.min(e, end) for e in self.ends]
        starts = [0, *ends[:-1]]
        return [(start, stop, range(part, len(ends))) for part, (start, stop) in enumerate(zip(starts, ends)) if start is not stop]


@dataclass
class Products(ABC):
    """`S^T = K Q^T` into `scores` (f32, `[keys of a block][tile]`), and `O^T += V^T P^T` into `sums` (f32, `[Dv][tile]`).

    Called in this order: `begin`; per head `begin_head`; per tile `begin_tile`; per block `scores`, then for all rows of the block
    `store_probabilities`, then `add_values`; `end`. Scratch is reserved in the constructor.
    """

    context: KernelContext
    query_scale: float
    """What raw scores are to be multiplied with."""
    scores: Flat
    sums: Flat

    padding: int = 1
    """A block's scores are padded to a multiple of so many keys with `INVISIBLE`, so that their probabilities become 0."""
    stored_together: int = 1
    """Rows of probabilities that are stored together; it divides `padding`."""
    skips_vectors: bool = False
    """Whether a vector of queries may be left out where it sees no more keys of a block."""
    keeps_pairs: bool = False
    """Whether probabilities are kept as bf16, two neighbouring keys in one word (`PairSoftmax`)."""

    @property
    def remaining_scale(self) -> float:
        """What of `query_scale` the raw scores do not hold yet."""
        return 1.0

    def begin(self) -> None:  # noqa: B027 (nothing to do is right for most)
        """Once per call of the kernel, before all else."""

    def end(self) -> None:  # noqa: B027 (nothing to do is right for most)
        """Once per call of the kernel, after all else."""

    @abstractmethod
    def begin_head(self, place: TilePlace) -> None:
        """Copy or pack what the tiles of one key and value head share."""

    @abstractmethod
    def begin_tile(self, place: TilePlace) -> None:
        """Pack the queries of a tile. `sums` was cleared."""

    @abstractmethod
    def compute_scores(self, block: KeyBlock, best: list[ir.Value], finish: FinishScores, unchanged: UnchangedScores) -> list[ir.Value]:
        """Store the finished scores of a block; return the largest of `best` and theirs, by vector.

        `unchanged` serves products whose raw scores are in memory before they are finished.
        """

    @abstractmethod
    def store_probabilities(self, row: Index, values: Sequence[Sequence[ir.Value]], parts: range) -> None:
        """Keep the probabilities `values[i][part]` of keys `row + i`, `i < stored_together`, of the block for `add_values`. `parts` are the
        vectors of queries that the values are of.

        With `keeps_pairs`, `values[0][vector]` are words of the keys `row` and `row + 1`.
        """

    @abstractmethod
    def add_values(self, block: KeyBlock) -> None:
        """Add the block's values, weighted by its probabilities, to the sums."""
