"""Operands as torch tensors."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.matmul.cases import Case

TORCH_DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "s8": torch.int8}


def tensor(case: Case, array: np.ndarray) -> torch.Tensor:
    """An own copy in the case's dtype (values that the dtype holds: nothing is rounded)."""
    return torch.from_numpy(array).to(TORCH_DTYPES[case.dtype], copy=True)


def fetch(result: torch.Tensor) -> np.ndarray:
    """A result as an array of f32 or int32."""
    return (result.float() if result.is_floating_point() else result).numpy()
