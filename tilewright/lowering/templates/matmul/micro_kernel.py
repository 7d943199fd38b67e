"""The micro-kernel: the part of the loops that runs over k, on the registers of one kind of matrix instruction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tilewright.core.mlir import ir
from tilewright.lowering.templates.index_math import Index
from tilewright.lowering.templates.matmul.lhs_loaders import LhsLoader
from tilewright.lowering.templates.matmul.rhs_loaders import RhsLoader
from tilewright.lowering.templates.memory import Flat


@dataclass(frozen=True)
class Panel:
    """What a tile multiplies: the rows' loader, one loader per right side, and the part `first <= k < end` of k."""

    lhs: LhsLoader
    rhs: Sequence[RhsLoader]
    first: Index
    end: Index


@dataclass(frozen=True)
class TileMemory:
    """Accumulators of a tile in memory, `[rows][right sides][nr]` from `offset`."""

    flat: Flat
    offset: Index


class MicroKernel(ABC):
    """Computes tiles of a few rows by one panel of columns of every right side.

    Accumulators are whatever `start` returns; they pass through `accumulate` into `store`, or, where `in_registers`, as vectors
    `[row][right side][vector]` into the epilogue.
    """

    in_registers: bool = True

    @property
    @abstractmethod
    def heights(self) -> list[int]:
        """Rows of the tiles there is code for, tallest first."""

    @property
    @abstractmethod
    def k_multiple(self) -> int:
        """Rows must be readable, and padded with zeros, to a multiple of this along k."""

    @abstractmethod
    def begin(self) -> None:
        """Once per call of the kernel, before all else."""

    @abstractmethod
    def end(self) -> None:
        """Once per call of the kernel, after all else."""

    @abstractmethod
    def start(self, rows: int, sides: int, kept: TileMemory | None, fresh: ir.Value | None) -> Any:
        """Accumulators for `rows` rows: zeros, or what `kept` holds; with both, `fresh` (an i1) says when to begin with zeros."""

    @abstractmethod
    def accumulate(self, panel: Panel, rows: Sequence[Index], accumulators: Any) -> Any:
        """Add the products over the panel's part of k for `rows`, which are neighbours."""

    @abstractmethod
    def store(self, accumulators: Any, tile: TileMemory) -> None:
        """Keep accumulators in memory."""
