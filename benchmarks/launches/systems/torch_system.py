"""PyTorch eager: two ops for each step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.launches.cases import Case
from benchmarks.launches.systems.torch_chain import Chain
from benchmarks.suite.systems import Variant
from benchmarks.suite.torch_tensors import fetch, tensor


class System:
    """Both chains."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        x = tensor(operands["x"], case.dtype)
        chains = [Chain(count) for count in (case.kernels, 2 * case.kernels)]
        return [Variant(f"{c.steps} steps", [lambda c=c: c(x)], fetch, float(c.steps)) for c in chains]
