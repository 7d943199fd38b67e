"""Inputs of a case, and its result in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.pointwise.cases import INTEGERS, KINDS, WORDS, Case
from benchmarks.suite.arrays import round_to_bf16, save_arrays

Array = np.ndarray


def make(case: Case) -> dict[str, Array]:
    """Inputs by name, in order: normal f32 (values that bf16 holds for bf16), word ids i64, a mask that hides the last quarter."""
    random = np.random.default_rng([len(case.kind), *case.sizes])
    arrays: dict[str, Array] = {}
    for name, symbolic in KINDS[case.kind].inputs.items():
        shape = case.shape(symbolic)
        if name in INTEGERS:
            arrays[name] = random.integers(0, WORDS, shape)
        elif name == "mask":
            arrays[name] = np.broadcast_to((np.arange(shape[-1]) < max(1, shape[-1] * 3 // 4)).astype(np.float32), shape).copy()
        else:
            values = random.standard_normal(shape, np.float32)
            arrays[name] = round_to_bf16(values) if case.dtype == "bf16" else values
    return arrays


def reference(case: Case, arrays: dict[str, Array]) -> Array:
    """The result of the PyTorch form on float64 numbers."""
    import torch

    from benchmarks.pointwise.torch_forms import FORMS

    inputs = [torch.from_numpy(arrays[name]) for name in KINDS[case.kind].inputs]
    return FORMS[case.kind](*(x.double() if x.is_floating_point() else x for x in inputs)).numpy()


def save(case: Case, folder: Path) -> None:
    """Write operands and reference."""
    arrays = make(case)
    save_arrays(arrays, reference(case, arrays), folder)
