"""Handlers of torch ops, one module per op family. Importing this package fills the registry."""

from __future__ import annotations

from tilewright.frontend.torch.ops import (
    attention,
    control,
    convolution,
    creation,
    flex_attention,
    indexing,
    linear,
    movement,
    normalization,
    pointwise,
    reduction,
    symbolic,
)
from tilewright.frontend.torch.registry import HANDLERS

__all__ = [
    "HANDLERS", "attention", "control", "convolution", "creation", "flex_attention", "indexing", "linear", "movement", "normalization",
    "pointwise", "reduction", "symbolic",
]  # fmt: skip
