"""Tuples and regions: reading one of several results, and subgraphs that only set a mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tilewright.frontend.torch.emitter import Emitter
from tilewright.frontend.torch.registry import imports


@imports("_operator.getitem")
def getitem(emit: Emitter, values: Sequence[Any], index: int) -> Any:
    return values[index]


@imports("wrap_with_set_grad_enabled")
def set_grad_enabled(emit: Emitter, enabled: bool, body: torch.fx.GraphModule, *operands: Any) -> Any:
    """Gradients play no role in a compiled program: the body stands for itself."""
    return emit.inline(body, operands)


@imports("wrap_with_autocast")
def autocast(
    emit: Emitter,
    device: str,
    dtype: torch.dtype | None,
    enabled: bool,
    cache_enabled: bool | None,
    body: torch.fx.GraphModule,
    *operands: Any,
) -> Any:
    """A body in which autocast is off stands for itself. One in which it is on gets its casts from torch's own decomposition."""
    if enabled:
        emit.decompose("a region under autocast", "export with the casts written out, or without autocast")
    return emit.inline(body, operands)


@imports("hints_wrapper", "tag_activation_checkpoint")
def hints_wrapper(emit: Emitter, body: torch.fx.GraphModule, *operands: Any, **_: Any) -> Any:
    if len(operands) == 2 and isinstance(operands[0], list | tuple) and isinstance(operands[1], dict):
        operands = tuple(operands[0])
    return emit.inline(body, operands)
