"""Transposition of a square block held in vector registers."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir, vector


def transpose_block(rows: Sequence[ir.Value]) -> list[ir.Value]:
    """`n` vectors of `n` lanes (a power of two) transposed, in `n * log2(n)` two-input shuffles.

    Each stage swaps the off-diagonal quarters of all blocks of size `2 * stage`: the recursive transposition of a 2x2 block matrix.
    """
    lanes = len(rows)
    values = list(rows)
    stage = lanes // 2
    while stage:
        for low in (i for i in range(lanes) if not i & stage):
            high = low + stage
            upper, lower = values[low], values[high]
            keep_low = [lane if not lane & stage else lanes + lane - stage for lane in range(lanes)]
            keep_high = [lane + stage if not lane & stage else lanes + lane for lane in range(lanes)]
            values[low] = _shuffle(upper, lower, keep_low)
            values[high] = _shuffle(upper, lower, keep_high)
        stage //= 2
    return values


def _shuffle(first: ir.Value, second: ir.Value, lanes: Sequence[int]) -> ir.Value:
    return vector.shuffle(first, second, list(lanes))
