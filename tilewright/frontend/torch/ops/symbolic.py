"""Integers, floats and conditions made from sizes, and the assertions about them.

Integers need no handler: torch knows each as an expression of symbols, and `SymbolTable` translates that.
"""

from __future__ import annotations

from typing import Any

from tilewright.frontend.torch.emitter import Emitter
from tilewright.frontend.torch.registry import imports
from tilewright.frontend.torch.symbols import decide, is_symbolic


@imports("aten._assert_scalar.default")
def assert_scalar(emit: Emitter, condition: object, message: str = "") -> None:
    """A condition on sizes must follow from their ranges: a compiled program does not check it."""
    node = emit.node.args[0]
    value = node.meta.get("val") if hasattr(node, "meta") else condition  # type: ignore[union-attr]
    truth: bool | None = bool(value) if isinstance(value, bool | int) else decide(value, emit.symbols) if is_symbolic(value) else None
    if truth is None:
        emit.reject(
            f"the condition on sizes `{getattr(getattr(value, 'node', None), 'expr', value)}` does not follow from their ranges",
            "state ranges with torch.export.Dim(min=, max=) that imply it",
        )
    if truth is False:
        emit.reject(f"the assertion {message!r} never holds")


@imports("aten._assert_tensor_metadata.default", "aten._assert_async.msg", "aten._functional_assert_async.msg",
         "aten.sym_constrain_range.default", "aten.sym_constrain_range_for_size.default", "torch._check")  # fmt: skip
def no_operation(emit: Emitter, *_: Any, **__: Any) -> None:
    """Facts that the export has already used."""
