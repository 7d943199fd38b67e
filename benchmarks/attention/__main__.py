"""Scaled dot-product attention of Tilewright and other systems, in turn on one machine.

    python -m benchmarks.attention [--short] [--only GROUP] [--systems tilewright torch] [--seconds 6] [--lock FILE]

Groups: f32, bf16, masks and scores (time for a computed tile of scores against our kernel without them), decode (caches of successive
calls differ and together exceed the last-level cache), encoders, memory. q, k, v are contiguous `[batch, heads, length, head size]`.
Batch and lengths are dynamic in our programs; the others may specialize. Results are checked against float64. GFLOP/s count
`4 * head size` for each visible pair of query and key, half of all pairs where causal. Written is JSON with all figures.
"""

from __future__ import annotations

from benchmarks.attention.suite import SUITE
from benchmarks.suite.command import main

if __name__ == "__main__":
    main(SUITE, __doc__)
