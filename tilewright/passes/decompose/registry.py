"""Decompositions by op name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir
from tilewright.passes.rewrite import Rewriter

Decomposition = Callable[[Rewriter, ir.Operation], Sequence[ir.Value]]
"""Builds simpler ops before an op and returns the values of its results."""

decompositions: dict[str, Decomposition] = {}


def decomposes(name: str) -> Callable[[Decomposition], Decomposition]:
    """Decorator: how `tw.<name>` is decomposed."""

    def add(function: Decomposition) -> Decomposition:
        if name in decompositions:
            raise ValueError(f"tw.{name} has two decompositions")
        decompositions[name] = function
        return function

    return add


def compute_dtype(dtype: str) -> str:
    """The type in which statistics are computed: f32, or f64 for f64."""
    return dtype if dtype == "f64" else "f32"
