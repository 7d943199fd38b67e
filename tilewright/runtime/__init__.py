"""Loading and calling artifacts. Needs only the standard library and NumPy: no compiler, no torch, no jax.

program = tilewright.runtime.load("model.tw", threads=2)
embeddings = program(input_ids, attention_mask)
"""

from __future__ import annotations

from tilewright.runtime.artifact import Artifact
from tilewright.runtime.errors import ArtifactError, CallError, IncompatibleError, RuntimeFailure, ThreadsError
from tilewright.runtime.program import Program, load
from tilewright.runtime.weights import WeightPlacement

__all__ = [
    "Artifact",
    "ArtifactError",
    "CallError",
    "IncompatibleError",
    "Program",
    "RuntimeFailure",
    "ThreadsError",
    "WeightPlacement",
    "load",
]
