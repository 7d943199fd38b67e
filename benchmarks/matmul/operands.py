"""Inputs of a case and what their result is in float64, handed from the parent to the systems as .npy files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.matmul.cases import Case
from benchmarks.suite.arrays import load_arrays, round_to_bf16, save_arrays

Array = np.ndarray


@dataclass(frozen=True)
class Operands:
    """x `[m, k]`, weight and gate `[k, n]`, bias `[n]`, residual `[m, n]`: f32 (values that bf16 holds for bf16) or int8 for s8."""

    x: Array
    weight: Array
    gate: Array | None = None
    bias: Array | None = None
    residual: Array | None = None


NAMES = ("x", "weight", "gate", "bias", "residual")


def make(case: Case) -> Operands:
    """Normal data (s8: all values); the weights are scaled so that results are of size 1."""
    random = np.random.default_rng(case.m * 7919 + case.n * 31 + case.k)
    if case.dtype == "s8":
        x, weight = (random.integers(-128, 128, shape, np.int8) for shape in ((case.m, case.k), (case.k, case.n)))
        return Operands(x, weight)

    def normal(*shape: int, scale: float = 1.0) -> Array:
        values = random.standard_normal(shape, np.float32) * np.float32(scale)
        return round_to_bf16(values) if case.dtype == "bf16" else values

    weight_scale = case.k**-0.5
    return Operands(
        normal(case.m, case.k),
        normal(case.k, case.n, scale=weight_scale),
        normal(case.k, case.n, scale=weight_scale) if case.epilogue == "swiglu" else None,
        normal(case.n) if case.epilogue in ("bias_gelu", "residual") else None,
        normal(case.m, case.n) if case.epilogue == "residual" else None,
    )


def reference(case: Case, operands: Operands) -> Array:
    """The result in float64 (exact for s8: sums stay below 2^53)."""
    x = operands.x.astype(np.float64)
    product = x @ operands.weight.astype(np.float64)
    if operands.bias is not None:
        product += operands.bias
    if operands.residual is not None:
        product += operands.residual
    if case.epilogue == "bias_gelu":
        erf = np.vectorize(math.erf, otypes=[np.float64])
        product *= 0.5 * (1.0 + erf(product * math.sqrt(0.5)))
    if operands.gate is not None:
        gate = x @ operands.gate.astype(np.float64)
        product *= gate / (1.0 + np.exp(-gate))
    return product


def save(case: Case, folder: Path) -> None:
    """Write operands and reference."""
    operands = make(case)
    arrays = {name: array for name in NAMES if (array := getattr(operands, name)) is not None}
    save_arrays(arrays, reference(case, operands), folder)


def load(folder: Path) -> Operands:
    """What `save` wrote."""
    return Operands(**load_arrays(folder))
