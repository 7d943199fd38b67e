"""Declarations of all `tw` ops, one module per family. Importing this package registers them."""

from __future__ import annotations

from tilewright.dialects.tw.ops import (
    attention,
    constants,
    contraction,
    indexing,
    movement,
    normalization,
    pointwise,
    position,
    reduction,
    state,
    structure,
)

__all__ = [
    "attention",
    "constants",
    "contraction",
    "indexing",
    "movement",
    "normalization",
    "pointwise",
    "position",
    "reduction",
    "state",
    "structure",
]
