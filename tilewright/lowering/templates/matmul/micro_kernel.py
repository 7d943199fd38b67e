"""The micro-kernel: the part of the loops that runs over k, on the registers of one kind of matrix instruction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.lowering.templates.index_math import Index, IndexMath
from tilewright.lowering.templates.matmul.lhs_loaders import LhsLoader
from tilewright.lowering.templates.matmul.rhs_loaders import RhsLoader
from tilewright.lowering.templates.memory import Flat
from tilewright.passes.schedules.matmul_instructions import OperandLayout

LINE = 64
"""Bytes of a cache line."""


@dataclass(frozen=True)
class Request:
    """The share of the next chunk that a tile fetches while it computes: every `MicroKernel.request_interval` groups of k it asks for the
    next `lines` lines of `flat`, from element `start` with `step` elements between them. Where nothing is left to ask for, `step` is 0
    and `start` in the cache.
    """

    flat: Flat
    start: Index
    step: Index
    lines: int

    def emit(self, index: IndexMath, position: Index) -> Index:
        """Ask for the lines at `position`; returns the next position."""
        for _ in range(self.lines):
            self.flat.prefetch(position, locality=2)
            position = index.add(position, self.step)
        return position


@dataclass(frozen=True)
class Panel:
    """What a tile multiplies: the rows' loader, one loader per right side, and the part `first <= k < end` of k.

    `requests`, one per right side, are there where the next chunk may be fetched meanwhile, and `fetches` (an i1) then says whether it
    is to be; None is yes.
    """

    lhs: LhsLoader
    rhs: Sequence[RhsLoader]
    first: Index
    end: Index
    requests: Sequence[Request] = ()
    fetches: ir.Value | None = None


@dataclass(frozen=True)
class TileMemory:
    """Accumulators of a tile in memory, `[rows][right sides][width]` from `offset`."""

    flat: Flat
    offset: Index
    width: int


class MicroKernel(ABC):
    """Computes tiles of a few rows by one panel of columns of every right side.

    Accumulators are whatever `start` returns; they pass through `accumulate` into `store`, or, where `in_registers`, as vectors
    `[row][right side][vector]` into the epilogue.
    """

    in_registers: bool = True
    takes_fewer_rows: bool = False
    """Whether the lowest tile may be given fewer rows than its height."""
    request_interval: int = 0
    """Groups of k between requests for lines of the next chunk; 0 where a micro-kernel makes none."""
    fewest_requesting: int = 6
    """Tiles that can fetch the next chunk beside their work. Fewer would have to ask for lines faster than the third-level cache delivers
    them, which also delays those that miss nothing."""
    layout: OperandLayout
    store_sums: Callable[[Flat, Index, int], None] | None = None
    """Writes the sums of the columns of a panel behind its groups: `store_sums(flat, groups, nr)`; None where there are none."""

    @property
    @abstractmethod
    def lanes(self) -> int:
        """Of the vectors of accumulators that the epilogue reads."""

    @property
    @abstractmethod
    def heights(self) -> list[int]:
        """Rows of the tiles there is code for, tallest first."""

    @property
    def k_multiple(self) -> int:
        """Rows must be readable, and padded with zeros, to a multiple of this along k."""
        return self.layout.group

    def for_columns(self, columns: int) -> MicroKernel:
        """The micro-kernel for panels of which only so many columns are there; itself where it computes whole panels anyway."""
        return self

    @abstractmethod
    def begin(self) -> None:
        """Once per call of the kernel, before all else."""

    def begin_block(self, rows: Index) -> None:  # noqa: B027 (nothing to do is right for most)
        """Once per unit of work, which has `rows` rows."""

    @abstractmethod
    def end(self) -> None:
        """Once per call of the kernel, after all else."""

    @abstractmethod
    def start(self, panel: Panel, rows: int, kept: TileMemory | None, fresh: ir.Value | None) -> Any:
        """Accumulators for `rows` rows of a panel: as they are before the first product, or what `kept` holds; with both, `fresh` (an
        i1) says when to begin anew.
        """

    @abstractmethod
    def accumulate(self, panel: Panel, rows: Sequence[Index], accumulators: Any) -> Any:
        """Add the products over the panel's part of k for `rows`, which are neighbours."""

    @abstractmethod
    def store(self, accumulators: Any, tile: TileMemory) -> None:
        """Keep accumulators in memory."""
