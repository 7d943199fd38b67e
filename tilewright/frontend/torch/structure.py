"""How the inputs and outputs of an exported program nest: pytree specs as `frontend.program` structures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tilewright.frontend.program import Structure


def nest(spec: Any, leaves: Iterator[Structure]) -> Structure:
    """The structure of a `TreeSpec` whose leaves are taken from `leaves`, in order.

    Classes that registered themselves with a list of keys (the model outputs of transformers) become dictionaries of those keys.
    """
    if spec.is_leaf():
        return next(leaves)
    children = [nest(child, leaves) for child in spec.children()]
    kind, keys = spec.type, _keys(spec, len(children))
    if keys is not None:
        return {"kind": "dict", "keys": keys, "items": children}
    return {"kind": "list" if kind is list else "tuple", "items": children}


def _keys(spec: Any, count: int) -> list[Any] | None:
    fields = getattr(spec.context, "_fields", None)
    if fields is not None:
        return list(fields)
    keys = spec.context[1] if isinstance(spec.context, list | tuple) and _is_defaultdict(spec) else spec.context
    if spec.type in (list, tuple) or not isinstance(keys, list | tuple) or len(keys) != count:
        return None
    try:
        json.dumps(list(keys))
    except TypeError:
        return [str(k) for k in keys]
    return list(keys)


def _is_defaultdict(spec: Any) -> bool:
    return getattr(spec.type, "__name__", "") == "defaultdict" and len(spec.context) == 2


def leaf_names(structure: Structure, prefix: str = "") -> dict[int, str]:
    """A name for each tensor of a structure: its key path, `logits`, `hidden_states_3`; `output` alone or with a number for others."""
    names: dict[int, str] = {}
    _collect(structure, prefix, names)
    return names


def _collect(structure: Structure, path: str, names: dict[int, str]) -> None:
    if isinstance(structure, int):
        names.setdefault(structure, path or "output")
    elif isinstance(structure, dict) and "items" in structure:
        labels = structure.get("keys") or range(len(structure["items"]))
        for label, item in zip(labels, structure["items"]):
            text = str(label) if path or "keys" in structure else f"output_{label}"
            _collect(item, f"{path}_{text}" if path else text, names)
