"""Matmuls of Tilewright and other systems, in turn on one machine.

    python -m benchmarks.matmul [--short] [--only GROUP] [--systems tilewright onednn] [--seconds 6] [--lock FILE]

Every system gets the case with constant weights, is compiled or packed beforehand, and is checked against float64. All are called
in turns of some milliseconds. Where rows are few, the weights of successive calls differ and together exceed the last-level cache.
The arithmetic peak and the DRAM bandwidth are measured in the same turns. Written are JSON with all figures, and a plot.
"""

from __future__ import annotations

from benchmarks.matmul.suite import SUITE
from benchmarks.suite.command import main

if __name__ == "__main__":
    main(SUITE, __doc__)
