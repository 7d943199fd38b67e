"""Operands and references as .npy files, and the error of results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Array = np.ndarray
REFERENCE = "reference"


def save_arrays(arrays: Mapping[str, Array], exact: Array, folder: Path) -> None:
    """Write operands by name, and the float64 reference."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / f"{REFERENCE}.npy", exact)


def load_arrays(folder: Path) -> dict[str, Array]:
    """The operands that `save_arrays` wrote."""
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy")) if path.stem != REFERENCE}


def reference_of(folder: Path) -> Array:
    """The reference, mapped."""
    return np.load(folder / f"{REFERENCE}.npy", mmap_mode="r")


def error_of(result: Array, exact: Array) -> float:
    """The largest difference to the reference, relative to the largest result; infinite for results of another size or not finite."""
    if result.size != exact.size:
        return math.inf
    difference = np.abs(result.astype(np.float64).reshape(exact.shape) - exact).max()
    return float(difference / max(np.abs(exact).max(), 1e-30)) if np.isfinite(difference) else math.inf


def round_to_bf16(values: Array) -> Array:
    """f32 values rounded to the nearest that bf16 holds, ties to even."""
    bits = values.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32)
