"""Inductor: the chain under torch.compile, which may join steps."""

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
        torch.compiler.reset()
        x = tensor(operands["x"], case.dtype)
        chains = [(n, torch.compile(Chain(n).eval(), dynamic=False)) for n in (case.kernels, 2 * case.kernels)]
        return [Variant(f"{n} steps", [lambda chain=chain: chain(x)], fetch, float(n)) for n, chain in chains]
