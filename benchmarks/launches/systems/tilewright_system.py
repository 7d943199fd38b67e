"""Tilewright: the chain exported with dynamic sizes and compiled; the number of launches is the compiler's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import tilewright
from benchmarks.launches.cases import Case
from benchmarks.launches.systems.torch_chain import Chain
from benchmarks.suite.systems import Variant
from benchmarks.suite.tilewright_program import bind_session, compile_to
from benchmarks.suite.torch_tensors import fetch, tensor


class System:
    """Both chains."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        x = tensor(operands["x"], case.dtype)
        return [self._chain(count, x, folder, case.target) for count in (case.kernels, 2 * case.kernels)]

    def _chain(self, count: int, x: torch.Tensor, folder: Path, target: str) -> Variant:
        sizes = {"x": {i: torch.export.Dim(f"d{i}", min=1, max=4096) for i in range(2)}}
        path = compile_to(folder / f"{count}-{self.threads}.tw", Chain(count).eval(), (torch.zeros(3, 5),), target, sizes)
        with tilewright.load(path, threads=1) as program:
            launches = sum(kernel["calls"] for kernel in program.artifact.manifest.report["targets"][0]["kernels"])
        return Variant(f"{launches} kernels", [bind_session(path, [x], self.threads)], fetch, float(launches))
