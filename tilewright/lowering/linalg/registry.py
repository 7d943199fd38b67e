"""From a `tw` op to the function that builds its linalg form."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from tilewright.core.mlir import ir
from tilewright.lowering.linalg.builder import LinalgBuilder

Lowering = Callable[[LinalgBuilder, ir.OpView], "ir.Value | Sequence[ir.Value]"]
"""Builds the results of one op at the current insertion point; operands are translated by `builder.of`."""

_FAMILIES = ("constants", "contraction", "gather", "movement", "normalization", "pointwise", "position", "reduction", "sequential")
_lowerings: dict[str, Lowering] = {}


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Decorator: the lowering of the ops `tw.<name>`."""

    def register(function: Lowering) -> Lowering:
        for name in names:
            if name in _lowerings:
                raise ValueError(f"tw.{name} has two lowerings")
            _lowerings[name] = function
        return function

    return register


def lowering_of(name: str) -> Lowering | None:
    """The lowering of `tw.<name>`, or None."""
    if not _lowerings:
        for family in _FAMILIES:
            importlib.import_module(f"tilewright.lowering.linalg.{family}")
    return _lowerings.get(name)
