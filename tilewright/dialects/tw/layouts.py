"""Stored layouts of weights: how the stored form of a weight follows from the plain tensor.

A `tw.weight` with a `layout` dictionary has the type of the stored form. Its entries:

* `kind`: `plain`, the row-major tensor itself, or `panels`, a matmul's right side in panels of `nr` columns (`tw.unpack` in the
  kernel says what the panels stand for), with `nr`, `transposed` ("true" where the plain matrix is `[n, k]`) and optionally `group`
  (default 1): the number of rows, adjacent in k, whose elements lie side by side, for instructions that multiply pairs or quads.
  `lhs_offset` (default 0; i8 in groups of 4 only): one more group behind each panel holds for every column the i32
  `-lhs_offset * sum of the column`, with which the sums begin when the left side is stored with `lhs_offset` added.
* `axis`, `start`, `size`: only the elements `start <= i < start + size` along one axis of the plain tensor.
* `dtype`: the weight is cast to this element type before it is stored (to the nearest value, ties to even).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tilewright.dialects.tw.types import numpy_dtype

_WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
"""Integer types by bytes: moving a group of elements as one word is several times faster than element by element."""


def panels_shape(k: int, n: int, nr: int, group: int = 1, lhs_offset: int = 0) -> tuple[int, ...]:
    """The shape of a `[k, n]` matrix in panels of `nr` columns: `[ceildiv(n, nr), k, nr]`, or
    `[ceildiv(n, nr), ceildiv(k, group), nr, group]` for groups of more than one row, with one more group for an `lhs_offset`.
    """
    return (-(-n // nr), k, nr) if group == 1 else (-(-n // nr), -(-k // group) + (lhs_offset != 0), nr, group)


def pack_panels(array: np.ndarray, *, transposed: bool, nr: int, group: int = 1, lhs_offset: int = 0) -> np.ndarray:
    """Pack a matrix `[k, n]` (`[n, k]` if `transposed`) into panels of the shape `panels_shape(k, n, nr, group, lhs_offset)`.

    `result[p, i, j, t] = matrix[i * group + t, p * nr + j]` (without t for groups of one); rows past k and columns past n are zeros.
    Raises ValueError for what is not a matrix, and for an `lhs_offset` with anything but i8 in groups of 4.
    """
    if array.ndim != 2 or nr < 1 or group < 1:
        raise ValueError(f"cannot pack an array of shape {array.shape} into panels of {nr} columns and groups of {group} rows")
    if lhs_offset:
        return _with_sums(array, transposed, nr, group, lhs_offset)
    if group == 1:
        return _pack(array if transposed else array.T, nr)
    k, n = array.shape[::-1] if transposed else array.shape
    groups = -(-k // group)
    if k != groups * group:
        padding = groups * group - k
        array = np.pad(array, ((0, 0), (0, padding)) if transposed else ((0, padding), (0, 0)))
    words = _grouped(array, transposed, group)
    if words is None:  # groups of an odd size in bytes
        rows = (array if transposed else array.T).reshape(n, groups, group)
        return np.stack([_pack(rows[:, :, t], nr) for t in range(group)], axis=-1)
    return _pack(words, nr).view(array.dtype).reshape(panels_shape(k, n, nr, group))


def _with_sums(array: np.ndarray, transposed: bool, nr: int, group: int, lhs_offset: int) -> np.ndarray:
    """Panels with a last group of i32 sums."""
    if array.dtype != np.int8 or group != 4:
        raise ValueError(f"cannot store sums of columns behind panels of {array.dtype} in groups of {group} rows")
    panels = pack_panels(array, transposed=transposed, nr=nr, group=group)
    totals = -lhs_offset * array.sum(axis=1 if transposed else 0, dtype=np.int32)
    padded = np.pad(totals, (0, panels.shape[0] * nr - totals.size))
    return np.concatenate([panels, padded.view(np.int8).reshape(panels.shape[0], 1, nr, group)], axis=1)


def _grouped(array: np.ndarray, transposed: bool, group: int) -> np.ndarray | None:
    """The groups of a matrix as words `[n, k / group]`; None where a group does not fill a word."""
    word = _WORDS.get(array.dtype.itemsize * group)
    if word is None:
        return None
    if transposed:
        return np.ascontiguousarray(array).view(word)
    k, n = array.shape
    words = np.empty((k // group, n), word)
    elements = words.view(array.dtype).reshape(k // group, n, group)
    for t in range(group):
        elements[:, :, t] = array[t::group]
    return words.T


def _pack(rows: np.ndarray, nr: int) -> np.ndarray:
    """`[n, k]` into `[ceildiv(n, nr), k, nr]`."""
    n, k = rows.shape
    panels, whole = -(-n // nr), n // nr
    packed = np.empty((panels, k, nr), rows.dtype)
    for panel in range(whole):  # a block at a time stays in cache: 2x faster than one transposed assignment
        packed[panel] = rows[panel * nr : (panel + 1) * nr].T
    if panels > whole:
        packed[whole] = 0
        packed[whole, :, : n - whole * nr] = rows[whole * nr :].T
    return packed


def unpack_panels(panels: np.ndarray, *, transposed: bool, n: int, k: int | None = None, lhs_offset: int = 0) -> np.ndarray:
    """The matrix `[k, n]` (`[n, k]` if `transposed`) that panels stand for; k is all rows of the panels when not given."""
    if lhs_offset:
        panels = panels[:, :-1]
    if panels.ndim == 4:
        count, groups, nr, group = panels.shape
        panels = panels.transpose(0, 1, 3, 2).reshape(count, groups * group, nr)
    matrix = np.concatenate(list(panels), axis=1)[:k, :n]
    return np.ascontiguousarray(matrix.T if transposed else matrix)


def apply_layout(array: np.ndarray, layout: Mapping[str, str] | None) -> np.ndarray:
    """The stored form of a weight. Raises ValueError for an unknown kind."""
    if layout is None:
        return array
    kind = layout.get("kind")
    if kind not in ("plain", "panels"):
        raise ValueError(f"unknown weight layout {dict(layout)}")
    if "start" in layout:
        axis, start, size = (int(layout[name]) for name in ("axis", "start", "size"))
        array = np.ascontiguousarray(array[(slice(None),) * axis + (slice(start, start + size),)])
    if "dtype" in layout:
        array = array.astype(numpy_dtype(layout["dtype"]), copy=False)
    if kind == "plain":
        return array
    numbers = {name: int(layout[name]) for name in ("nr", "group", "lhs_offset") if name in layout}
    return pack_panels(array, transposed=layout["transposed"] == "true", **numbers)
