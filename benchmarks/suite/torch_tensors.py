"""Arrays as torch tensors and back."""

from __future__ import annotations

import numpy as np
import torch

TORCH_DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "s8": torch.int8}
RUNTIME_DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "i32": torch.int32}
"""By the runtime's names of outputs."""


def tensor(array: np.ndarray, dtype: str) -> torch.Tensor:
    """An own copy; numbers of f32 become `dtype` (values that it holds: nothing is rounded), integers and truth values stay."""
    own = torch.from_numpy(array)
    return own.to(TORCH_DTYPES[dtype] if own.dtype == torch.float32 else own.dtype, copy=True)


def fetch(result: torch.Tensor) -> np.ndarray:
    """A result as an array of f32 or integers."""
    return (result.float() if result.is_floating_point() else result).numpy()
