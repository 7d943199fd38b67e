"""Inductor: the PyTorch form under torch.compile, for the case's sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.pointwise.cases import KINDS, Case
from benchmarks.pointwise.torch_forms import FORMS
from benchmarks.suite.systems import Variant
from benchmarks.suite.torch_tensors import fetch, tensor


class System:
    """The graph is compiled by the first call."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        torch.compiler.reset()
        inputs = [tensor(operands[name], case.dtype) for name in KINDS[case.kind].inputs]
        compiled = torch.compile(FORMS[case.kind], dynamic=False)
        return [Variant("compiled", [lambda: compiled(*inputs)], fetch)]
