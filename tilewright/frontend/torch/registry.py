"""The table of importable ops: torch's name of an op to the function that builds it.

    @imports("aten.tanh.default")
    def tanh(emit: Emitter, x: ir.Value) -> ir.Value: ...

A handler gets the emitter and the node's arguments: tensors as MLIR values, symbolic sizes as `Expr`, numbers, strings, None,
torch dtypes and lists as they are. Keyword-only arguments keep the names of the op's schema. It returns a value, a list for an op
with several results, and raises `Rejected` (through `emit.reject`) for arguments that it can't handle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tilewright.frontend.torch.private import HigherOrderOperator, OpOverload

Handler = Callable[..., Any]

HANDLERS: dict[str, Handler] = {}


def imports(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler for ops (`aten.add.Tensor`, `_operator.add`, `wrap_with_set_grad_enabled`)."""

    def register(handler: Handler) -> Handler:
        for name in names:
            if name in HANDLERS:
                raise ValueError(f"{name} has two handlers")
            HANDLERS[name] = handler
        return handler

    return register


def target_name(target: Any) -> str:
    """The name of an fx target as handlers are registered: `aten.add.Tensor`, `_operator.getitem`."""
    if isinstance(target, str):
        return target
    if isinstance(target, OpOverload | HigherOrderOperator):
        return str(target)
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__name__', target)}"
