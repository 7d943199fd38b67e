"""PyTorch eager. Transposes also by `copy_` into memory that is there already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.pointwise.cases import KINDS, Case
from benchmarks.pointwise.torch_forms import FORMS
from benchmarks.suite.systems import Variant
from benchmarks.suite.torch_tensors import fetch, tensor


class System:
    """The form as it stands."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def prepare(self, case: Case, operands: dict[str, np.ndarray], copies: int, folder: Path) -> list[Variant]:
        inputs = [tensor(operands[name], case.dtype) for name in KINDS[case.kind].inputs]
        form = FORMS[case.kind]
        variants = [Variant("eager", [lambda: form(*inputs)], fetch)]
        if case.kind == "transpose":
            (x,) = inputs
            result = torch.empty(x.shape[1], x.shape[0])
            variants.append(Variant("copy_", [lambda: result.copy_(x.t())], fetch))
        return variants
