"""`Program`: a level 1 module together with what is kept outside of the IR. Every frontend returns one.

No framework is imported here: a program can be compiled, interpreted and stored wherever NumPy is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tilewright.core.mlir import ir

Structure = Any
"""JSON-able nesting of a program's inputs or outputs. A leaf is the index of a tensor (an `int`) or None.

Containers and other leaves are dictionaries tagged by `kind`:
`{"kind": "tuple" | "list", "items": [...]}`, `{"kind": "dict", "keys": [...], "items": [...]}`, `{"kind": "constant", "value": ...}`
and `{"kind": "size", "expr": "s0*s1"}` for an integer that follows from the input shapes.
"""


class LazyWeights(Mapping[str, np.ndarray]):
    """Weights by name, each made by a function when it is asked for: nothing is copied before it is needed."""

    def __init__(self, producers: Mapping[str, Callable[[], np.ndarray]]) -> None:
        self._producers = dict(producers)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._producers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._producers)

    def __len__(self) -> int:
        return len(self._producers)


@dataclass
class Program:
    """A level 1 program.

    `module` lives in `context` and holds `@main`. `weights` has an array for each `tw.weight` (bf16 as `ml_dtypes.bfloat16`).
    `input_names` are the tensor inputs in order; `input_structure` is how they nest in the call as
    `tuple(args), dict(kwargs)`; `output_structure` says the same of the results. `origin` names where the program came from.
    """

    module: ir.Module
    context: ir.Context
    weights: Mapping[str, np.ndarray]
    input_names: Sequence[str]
    output_names: Sequence[str]
    input_structure: Structure
    output_structure: Structure
    origin: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of tied weights: name to the name under which the weight is stored."""

    def digest(self) -> str:
        """SHA-256 of the printed module, without locations, and of all weights: equal programs have equal digests.

        Reads every weight, which takes time for a large model.
        """
        digest = hashlib.sha256(str(self.module).encode())
        for name in sorted(self.weights):
            array = np.ascontiguousarray(self.weights[name])
            digest.update(f"\0{name}\0{array.dtype}\0{array.shape}\0".encode())
            digest.update(array.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


def build_structure(structure: Structure, leaves: Sequence[Any], size: Callable[[str], int] | None = None) -> Any:
    """Nest `leaves` as the structure says. `size` evaluates size expressions; without it they stay strings."""
    if structure is None:
        return None
    if isinstance(structure, int):
        return leaves[structure]
    kind = structure["kind"]
    if kind == "constant":
        return structure["value"]
    if kind == "size":
        return structure["expr"] if size is None else size(structure["expr"])
    nested = [build_structure(item, leaves, size) for item in structure["items"]]
    if kind == "dict":
        return dict(zip(structure["keys"], nested))
    return nested if kind == "list" else tuple(nested)


def structure_leaves(structure: Structure) -> list[int]:
    """Indices of all tensors in a structure, in order."""
    if structure is None:
        return []
    if isinstance(structure, int):
        return [structure]
    return [leaf for item in structure.get("items", ()) for leaf in structure_leaves(item)]
