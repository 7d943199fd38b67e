"""Whole models: exported, compiled for this machine, executed by the runtime, compared with PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from models import FIRST, MORE, case_of, exported

import tilewright
from tilewright.api.compiler import compile_program
from tilewright.core.options import CompileOptions
from tilewright.frontend.torch import import_exported

SMALL = (*FIRST, *MORE)
SHAPES = ((1, 16), (3, 77), (2, 2))


def leaves(value: object) -> list[np.ndarray]:
    """All tensors of a nested output, in order."""
    if isinstance(value, torch.Tensor):
        return [value.detach().numpy()]
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize("name", SMALL)
def test_small_model_matches_pytorch(name: str, tmp_path: Path) -> None:
    """Random weights, prefill without cache, dynamic batch and sequence, from one artifact."""
    case = case_of(name)
    program = import_exported(exported(name))
    path = tmp_path / "model.tw"
    compile_program(program, path, CompileOptions())
    loaded = tilewright.load(path)
    for batch, sequence in SHAPES:
        inputs = case.inputs(batch, sequence)
        with torch.no_grad():
            expected = leaves(case.module(**inputs))
        actual = leaves(loaded(**inputs))
        assert len(actual) == len(expected)
        for ours, theirs in zip(actual, expected):
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() < 1e-4, f"{name} at {(batch, sequence)}"
