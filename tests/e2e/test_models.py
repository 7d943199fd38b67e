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


def check_thread_counts(path: Path, inputs: dict[str, torch.Tensor]) -> None:
    """Results are bitwise equal for any number of threads."""
    one, *others = (leaves(tilewright.load(path, threads=n)(**inputs)) for n in (1, 2, 3, 5))
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


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
    check_thread_counts(path, case.inputs(3, 77))


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of all-MiniLM-L6-v2 with its real weights."""
    path = tmp_path_factory.mktemp("minilm") / "minilm.tw"
    compile_program(import_exported(exported("minilm")), path, CompileOptions())
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_minilm_matches_pytorch(minilm: Path, threads: int) -> None:
    """One artifact, dynamic batch and sequence; the largest difference stays below 2e-5."""
    case = case_of("minilm")
    loaded = tilewright.load(minilm, threads=threads)
    for batch, sequence in ((1, 16), (1, 128), (8, 128), (3, 77)):
        inputs = case.inputs(batch, sequence)
        with torch.no_grad():
            expected = case.module(**inputs).numpy()
        assert np.abs(loaded(**inputs).numpy() - expected).max() < 2e-5, (batch, sequence)


def test_thread_count_changes_nothing(minilm: Path) -> None:
    check_thread_counts(minilm, case_of("minilm").inputs(3, 77))
