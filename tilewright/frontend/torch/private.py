"""The parts of torch without a public name that this frontend needs, each imported here alone. `tests/unit/frontend/test_private_api.py`
says what is expected of them, so that a new torch fails there first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._export.serde.schema import SCHEMA_VERSION as _SCHEMA_VERSION
from torch._ops import HigherOrderOperator, OpOverload
from torch.fx.passes.fake_tensor_prop import FakeTensorProp
from torch.utils import _pytree

__all__ = [
    "HigherOrderOperator", "OpOverload", "is_known_container", "keyword_only", "propagate_types", "register_container",
    "returns_alias", "schema_version", "writes_to_arguments",
]  # fmt: skip


def writes_to_arguments(op: OpOverload) -> bool:
    """True when an op mutates one of its arguments."""
    return bool(op._schema.is_mutable)  # pyright: ignore[reportPrivateUsage]


def returns_alias(op: OpOverload) -> bool:
    """True when a result of an op may share memory with an argument."""
    return any(r.alias_info is not None for r in op._schema.returns)  # pyright: ignore[reportPrivateUsage]


def propagate_types(module: torch.fx.GraphModule, inputs: Sequence[Any]) -> torch.fx.GraphModule:
    """A copy of a graph whose values have the types that follow from fake inputs of other types."""
    clone = torch.fx.GraphModule(module, copy.deepcopy(module.graph))
    for placeholder, fake in zip((n for n in clone.graph.nodes if n.op == "placeholder"), inputs):
        placeholder.meta["val"] = fake
    FakeTensorProp(clone, inputs[0].fake_mode).propagate_dont_convert_inputs(*inputs)
    return clone


def keyword_only(op: OpOverload) -> list[tuple[str, bool]]:
    """Names of an op's arguments, and whether each is keyword-only."""
    return [(a.name, bool(a.kwarg_only)) for a in op._schema.arguments]  # pyright: ignore[reportPrivateUsage]


def schema_version() -> tuple[int, int]:
    """Major and minor version of the `.pt2` schema that this torch writes; it reads older minor versions of the same major one."""
    major, minor = _SCHEMA_VERSION
    return int(major), int(minor)


def is_known_container(serialized_name: str) -> bool:
    """True when torch can rebuild the container class that a saved program names."""
    return serialized_name in _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE


def register_container(serialized_name: str, kind: type, flatten: Callable[[Any], Any], unflatten: Callable[[Any, Any], Any]) -> None:
    """Make a container class known under the name that saved programs use for it."""
    _pytree.register_pytree_node(kind, flatten, unflatten, serialized_type_name=serialized_name)
