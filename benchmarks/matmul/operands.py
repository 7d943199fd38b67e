"""Inputs of a case and what their result is in float64, handed from the parent to the systems as .npy files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.matmul.cases import Case

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
TOLERANCE = {"f32": 5e-6, "bf16": 2.0**-8, "s8": 0.0}
"""Largest error relative to the largest result. bf16 results are rounded to 8 bits."""


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


def round_to_bf16(values: Array) -> Array:
    """f32 values rounded to the nearest that bf16 holds, ties to even."""
    bits = values.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32)


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
    for name in NAMES:
        array = getattr(operands, name)
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    np.save(folder / "reference.npy", reference(case, operands))


def load(folder: Path) -> Operands:
    """What `save` wrote."""
    found = {name: np.load(folder / f"{name}.npy") for name in NAMES if (folder / f"{name}.npy").exists()}
    return Operands(**found)


def error_of(result: Array, folder: Path) -> float:
    """The largest difference to the reference, relative to the largest result; infinite for results of another shape or not finite."""
    exact = np.load(folder / "reference.npy", mmap_mode="r")
    if result.size != exact.size:
        return math.inf
    difference = np.abs(result.astype(np.float64).reshape(exact.shape) - exact).max()
    return float(difference / max(np.abs(exact).max(), 1e-30)) if np.isfinite(difference) else math.inf
