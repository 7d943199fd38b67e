"""Packing of constant matmul weights into panels, at compile time."""

from __future__ import annotations

import numpy as np


def packed_panels_shape(k: int, n: int, nr: int) -> tuple[int, int, int]:
    """The shape of a packed right side: `[ceildiv(n, nr)][k][nr]`."""
    return (-(-n // nr), k, nr)


def pack_panels(array: np.ndarray, *, transposed: bool, nr: int) -> np.ndarray:
    """Pack a right side into panels of `nr` columns, the last one padded with zeros.

    `array` is `[k, n]`, or `[n, k]` if `transposed`; leading dimensions stay. The result is `[..., ceildiv(n, nr), k, nr]` with
    `result[..., p, i, j] = rhs[..., i, p * nr + j]`. Raises ValueError for a vector or a panel width below 1.
    """
    if array.ndim < 2 or nr < 1:
        raise ValueError(f"cannot pack an array of shape {array.shape} into panels of {nr} columns")
    rows = array if transposed else np.swapaxes(array, -1, -2)
    *leading, n, k = rows.shape
    panels = -(-n // nr)
    packed = np.zeros((*leading, panels, k, nr), array.dtype)
    whole = n // nr
    by_panel = rows[..., : whole * nr, :].reshape(*leading, whole, nr, k)
    packed[..., :whole, :, :] = np.swapaxes(by_panel, -1, -2)
    if n % nr:
        packed[..., whole, :, : n % nr] = np.swapaxes(rows[..., whole * nr :, :], -1, -2)
    return packed
