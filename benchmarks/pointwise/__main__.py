"""Normalizations, softmax, gathers, reductions, transposes of Tilewright and other systems, in turn on one machine.

    python -m benchmarks.pointwise [--short] [--only GROUP] [--systems tilewright inductor] [--seconds 6] [--lock FILE]

Sizes are dynamic in our programs (tables and the heads of rotary embeddings aside); the others may specialize. Results are checked
against float64. Where a call takes less than 20 us, a further line has the native function with everything bound. Written is JSON with
all figures.
"""

from __future__ import annotations

from benchmarks.pointwise.suite import SUITE
from benchmarks.suite.command import main

if __name__ == "__main__":
    main(SUITE, __doc__)
