"""`Suite`: everything that one benchmark declares."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.suite import arrays
from benchmarks.suite.cases import Case
from benchmarks.suite.systems import CEILINGS, OURS, SystemInfo


def relative_error(case: Any, result: np.ndarray, folder: Path) -> float:
    """The error of a result against the reference in the case's folder, relative to the largest result."""
    return arrays.error_of(result, arrays.reference_of(folder))


@dataclass(frozen=True)
class Suite:
    """A benchmark, run by `python -m benchmarks.<name>`.

    `systems` are in the order of tables. `save(case, folder)` writes operands and reference for `load(folder)`, whose result systems get;
    `error(case, result, folder)` compares. `figures` are the columns between the time and the peers (`table.FIGURES`).
    `derive(case, variants)` computes the variants that count from those that were timed, or raises NotApplicable.
    `draw(rows, path, title)` writes a plot, or returns False.
    """

    name: str
    case: type[Case]
    systems: Mapping[str, SystemInfo]
    full: Callable[[], Sequence[Case]]
    short: Callable[[], Sequence[Case]]
    save: Callable[[Any, Path], None]
    load: Callable[[Path], Any]
    error: Callable[[Any, np.ndarray, Path], float] = relative_error
    figures: tuple[str, ...] = ("GF/s", "peak", "DRAM")
    derive: Callable[[Any, Sequence[dict[str, Any]]], list[dict[str, Any]]] | None = None
    draw: Callable[..., bool] | None = None

    @property
    def peers(self) -> tuple[str, ...]:
        """The systems that Tilewright is compared with."""
        return tuple(name for name in self.systems if name not in (OURS, CEILINGS))


def find_suite(name: str) -> Suite:
    """The suite of the package `benchmarks.<name>`."""
    return importlib.import_module(f"benchmarks.{name}.suite").SUITE
