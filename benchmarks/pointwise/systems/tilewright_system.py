"""Tilewright: the PyTorch form as a module, exported with dynamic sizes, compiled ahead of time into an artifact.

Variants: `session` is the call that users make, `native` the same through the C interface where a session's call is short.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.pointwise.cases import INTEGERS, KINDS, POSITIONS, Case
from benchmarks.pointwise.torch_forms import FORMS
from benchmarks.suite.systems import Variant
from benchmarks.suite.tilewright_program import compile_to, session_and_native
from benchmarks.suite.torch_tensors import TORCH_DTYPES, tensor

LARGEST = {"s": POSITIONS}
EXAMPLES = (6, 10)
"""Sizes of the example arguments: different ones, because torch.export may take equal ones for the same."""


class Form(torch.nn.Module):
    """A form as a module."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.function = FORMS[kind]

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)


class System:
    """One artifact."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        kind = KINDS[case.kind]
        dims = {name: torch.export.Dim(name, min=1, max=LARGEST.get(name, 65536)) for name in kind.sizes}
        shapes = tuple({i: dims[d] for i, d in enumerate(shape) if isinstance(d, str)} for shape in kind.inputs.values())
        small = Case("", case.dtype, case.kind, EXAMPLES)
        examples = tuple(
            torch.zeros(small.shape(shape), dtype=torch.int64 if name in INTEGERS else TORCH_DTYPES[case.dtype])
            for name, shape in kind.inputs.items()
        )
        path = folder / f"session-{self.threads}.tw"
        compile_to(path, Form(case.kind).eval(), examples, case.target, {"inputs": shapes})
        return session_and_native(path, [[tensor(operands[name], case.dtype) for name in kind.inputs]], self.threads)
