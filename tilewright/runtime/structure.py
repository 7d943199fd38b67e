"""The nesting of a program's outputs, from the manifest: tuples, lists and dicts with outputs as leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tilewright.runtime.errors import ArtifactError

Packer = Callable[[Sequence[Any]], Any]
"""Arranges the flat outputs."""

MAX_DEPTH = 32


def compile_structure(structure: Any, count: int) -> Packer:
    """A function that nests `count` flat outputs.

    JSON forms: `{"kind": "output", "index": i}`, `{"kind": "tuple" | "list", "items": [...]}`, `{"kind": "dict", "items": {name: ...}}`,
    `{"kind": "constant", "value": ...}` for a string, number, boolean or null that the program returns as it is. None stands for
    the output itself if there is one, else a tuple of all. Raises ArtifactError for others.
    """
    if structure is None:
        return (lambda outputs: outputs[0]) if count == 1 else tuple
    return _compile(structure, count, 0)


def _compile(node: Any, count: int, depth: int) -> Packer:
    kind = node.get("kind") if isinstance(node, dict) and depth < MAX_DEPTH else None
    if kind == "constant" and isinstance(node.get("value"), bool | int | float | str | None):
        value = node.get("value")
        return lambda outputs: value
    if kind == "output" and isinstance(node.get("index"), int) and 0 <= node["index"] < count:
        index: int = node["index"]
        return lambda outputs: outputs[index]
    if kind in ("tuple", "list") and isinstance(node.get("items"), list):
        parts = [_compile(item, count, depth + 1) for item in node["items"]]
        if kind == "tuple":
            return lambda outputs: tuple(part(outputs) for part in parts)
        return lambda outputs: [part(outputs) for part in parts]
    if kind == "dict" and isinstance(node.get("items"), dict):
        named = {name: _compile(item, count, depth + 1) for name, item in node["items"].items()}
        return lambda outputs: {name: part(outputs) for name, part in named.items()}
    raise ArtifactError("the output structure of the manifest is not understood", why=repr(node)[:200])
